package gcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/googleapi"
	"google.golang.org/protobuf/encoding/protojson"
)

// rawAPI is one API without a generated client in between. Generated clients
// drop fields that are newer than they are, and never send an empty list; where
// a list is read, changed and written back whole, both would harm what others
// configured.
type rawAPI struct {
	client *http.Client
	base   string // ends in a slash: https://compute.googleapis.com/compute/v1/
}

// call sends body, if it is not nil, and returns the answer's JSON. Each write to
// compute gets a requestId, so that the transport may repeat it. Errors are what
// wrap understands.
func (a rawAPI) call(ctx context.Context, method, path string, query url.Values, body any) (json.RawMessage, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	address := a.base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if err := googleapi.CheckResponse(response); err != nil {
		return nil, err
	}
	return io.ReadAll(response.Body)
}

// document is a resource as its API wrote it, numbers as they stand there.
type document map[string]any

func parseDocument(text json.RawMessage) (document, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var doc document
	if err := decoder.Decode(&doc); err != nil {
		return nil, &garbledError{cause: err}
	}
	return doc, nil
}

// get reads one resource.
func (a rawAPI) get(ctx context.Context, path string) (document, error) {
	text, err := a.call(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return nil, err
	}
	return parseDocument(text)
}

// change sends one write to compute and returns its operation.
func (c *Cloud) change(ctx context.Context, method, path string, body any) (*computepb.Operation, error) {
	text, err := c.rawCompute.call(ctx, method, path, url.Values{"requestId": {c.requestID()}}, body)
	if err != nil {
		return nil, err
	}
	op := &computepb.Operation{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, op); err != nil {
		return nil, &garbledError{cause: err}
	}
	return op, nil
}

// inner is the object at a path of fields, nil when there is none.
func (d document) inner(fields ...string) document {
	for _, field := range fields {
		next, ok := d[field].(map[string]any)
		if !ok {
			return nil
		}
		d = next
	}
	return d
}

// list is a field that is an array; its elements are the document's own.
func (d document) list(field string) []any {
	out, _ := d[field].([]any)
	return out
}
