package gcp

import (
	"context"
	"encoding/json"
)

// Attachment is an Interconnect attachment (VLAN): a line that is there already.
type Attachment struct {
	Ref               Ref
	Router            Ref
	State             string // ACTIVE, PENDING_CUSTOMER, ...
	OperationalStatus string // OS_ACTIVE or OS_UNPROVISIONED
	Type              string // DEDICATED, PARTNER, ...
}

// Up says whether the attachment carries packets.
func (a Attachment) Up() bool { return a.State == "ACTIVE" && a.OperationalStatus == "OS_ACTIVE" }

// Attachments lists a project's Interconnect attachments in all regions. It fails
// with CW-GCP-UNAVAILABLE when a region did not answer.
func (c *Cloud) Attachments(ctx context.Context, project string) ([]Attachment, error) {
	var out []Attachment
	err := c.aggregated(ctx, project, "interconnectAttachments", "interconnect attachments of projects/"+project, func(region string, text json.RawMessage) error {
		var one struct{ Name, Router, State, OperationalStatus, Type string }
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		at := Ref{Project: project, Region: region, Name: one.Name}
		out = append(out, Attachment{Ref: at, Router: refOf(one.Router, at), State: one.State, OperationalStatus: one.OperationalStatus, Type: one.Type})
		return nil
	})
	return out, err
}
