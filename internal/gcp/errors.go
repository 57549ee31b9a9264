package gcp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/googleapi"

	"causeway/internal/explain"
)

// The codes of internal/explain that this package's errors carry.
const (
	codeCredentials  = "CW-GCP-CREDENTIALS"
	codePermission   = "CW-GCP-PERMISSION"
	codeAPIDisabled  = "CW-GCP-API-DISABLED"
	codeNotFound     = "CW-GCP-NOT-FOUND"
	codeConflict     = "CW-GCP-CONFLICT"
	codePrecondition = "CW-GCP-PRECONDITION"
	codeOrgPolicy    = "CW-GCP-ORG-POLICY"
	codeQuota        = "CW-GCP-QUOTA"
	codeBusy         = "CW-GCP-BUSY"
	codeUnreachable  = "CW-GCP-UNREACHABLE"
	codeUnavailable  = "CW-GCP-UNAVAILABLE"
	codeTimeout      = "CW-GCP-TIMEOUT"
	codeOutside      = "CW-NET-OUTSIDE-SUBNET"
	codeTaken        = "CW-NET-ADDRESS-TAKEN"
	codeInUse        = "CW-NET-ADDRESS-IN-USE"
	codeNoPeering    = "CW-NET-NO-PEERING"
	codePeeringGone  = "CW-NET-PEERING-GONE"
	codePeeringBusy  = "CW-NET-PEERING-BUSY"
	codeAuthNetworks = "CW-GCP-AUTH-NETWORKS"
	codePublic       = "CW-NET-PUBLIC"
	codeRegistered   = "CW-FLEET-REGISTERED"
	codeFleetAgent   = "CW-FLEET-REGISTER"
)

// permissionForms are the wordings in which the APIs name a missing permission.
var permissionForms = regexp.MustCompile(`(?:Required|Permission) ["']([a-zA-Z.]+)["'] (?:permission|denied)`)

// Error is a call to Google that failed.
type Error struct {
	Verb     string // reserve, read, list, ...
	Resource string // "address projects/p/regions/r/addresses/a"
	HTTP     int    // status of the answer, 0 when there was none
	Reason   string // notFound, alreadyExists, SERVICE_DISABLED, or an operation's code
	Message  string // in Google's words

	Permission string // the one that is missing, when Google names it
	Service    string // the API that is disabled: compute.googleapis.com
	Project    string // the project that it concerns, as Google names it

	Cause error
	code  string
}

// Error reads `verb resource: cause`, with the cure where it is one line.
func (e *Error) Error() string {
	text := e.Verb + " " + e.Resource + ": " + e.cause()
	if hint := e.Hint(); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

func (e *Error) cause() string {
	switch {
	case e.Message != "" && e.HTTP != 0:
		return fmt.Sprintf("%s (HTTP %d)", strings.TrimSuffix(strings.TrimSpace(e.Message), "."), e.HTTP)
	case e.Message != "":
		return strings.TrimSuffix(strings.TrimSpace(e.Message), ".")
	case e.Cause != nil:
		return e.Cause.Error()
	}
	return http.StatusText(e.HTTP)
}

// Unwrap returns what the client library or the network said.
func (e *Error) Unwrap() error { return e.Cause }

// Code returns the known cause, "" when it is none.
func (e *Error) Code() string { return e.code }

// Hint is the cure in one line, "" when there is none that fits one.
func (e *Error) Hint() string {
	switch e.code {
	case codeAPIDisabled:
		hint := "gcloud services enable " + e.Service
		if e.Project != "" {
			hint += " --project=" + strings.TrimPrefix(e.Project, "projects/")
		}
		return hint
	case codePermission:
		if e.Permission != "" {
			return "missing permission " + e.Permission
		}
	case codeCredentials:
		return "gcloud auth application-default login, or a fresh --access-token-file"
	case codePrecondition:
		return "somebody else changed it meanwhile; run the command again"
	}
	return ""
}

// NotFound says whether err is Google's answer that a resource does not exist.
func NotFound(err error) bool { return hasCode(err, codeNotFound) }

// AlreadyExists says whether err is Google's answer that a name is taken.
func AlreadyExists(err error) bool { return hasCode(err, codeConflict) }

func hasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.code == code
}

// wrap turns what a client library returned into an *Error; nil stays nil.
func wrap(verb, resource string, err error) error {
	if err == nil {
		return nil
	}
	var own *Error // of the token source, which calls Google as well
	if errors.As(err, &own) {
		return own
	}
	e := &Error{Verb: verb, Resource: resource, Cause: err}
	var answer *googleapi.Error
	var token *tokenError
	var timeout *timeoutError
	var stranger *notAPIError
	var nonsense *garbledError
	var coded interface {
		error
		Code() string
	}
	switch {
	case errors.As(err, &coded): // the caller's own end of the run, which says more
		e.Message, e.code = coded.Error(), coded.Code()
	case errors.As(err, &answer):
		e.read(answer)
		e.classify()
	case errors.As(err, &token):
		e.Message, e.code = token.Error(), codeCredentials
	case errors.As(err, &timeout):
		e.Message, e.code = timeout.Error(), codeTimeout
	case errors.As(err, &stranger):
		e.Message, e.code = stranger.Error(), codeNotAPI
	case errors.As(err, &nonsense):
		e.Message = nonsense.Error()
	case errors.Is(err, context.Canceled):
		e.Message = "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		e.Message, e.code = "no answer before the deadline", codeTimeout
	default:
		e.Message, e.code = "cannot reach the API: "+err.Error(), codeUnreachable
	}
	return e
}

// read takes what the JSON of an error says, in compute's form and in the others'.
func (e *Error) read(answer *googleapi.Error) {
	e.HTTP, e.Message = answer.Code, answer.Message
	var body struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
			Errors  []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
			Details []struct {
				Reason   string            `json:"reason"`
				Metadata map[string]string `json:"metadata"`
			} `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(answer.Body), &body) == nil {
		e.Reason = body.Error.Status
		if body.Error.Message != "" {
			e.Message = body.Error.Message
		}
		for _, one := range body.Error.Errors {
			e.Reason = one.Reason
		}
		for _, detail := range body.Error.Details {
			if detail.Reason == "" {
				continue
			}
			e.Reason = detail.Reason
			e.Permission, e.Service, e.Project = detail.Metadata["permission"], detail.Metadata["service"], detail.Metadata["consumer"]
		}
	}
	if found := permissionForms.FindStringSubmatch(e.Message); found != nil && e.Permission == "" {
		e.Permission = found[1]
	}
	if e.Message == "" {
		e.Message = http.StatusText(e.HTTP)
	}
}

// classify finds the known cause. The order matters: the particular comes first.
func (e *Error) classify() {
	says := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(e.Message, part) {
				return true
			}
		}
		return false
	}
	switch {
	case says("outside the network/subnetwork range"):
		e.code = codeOutside
	case says("in-use and would result in a conflict", "IP_IN_USE") || e.Reason == "IP_IN_USE_BY_ANOTHER_RESOURCE":
		e.code = codeTaken
	case strings.HasPrefix(e.Resource, "router ") && says("overlap", "associated with multiple interfaces"):
		e.code = codeLinkLocal
	case strings.HasPrefix(e.Resource, "router ") && says("exceeds the maximum") && says("dvertised"):
		e.code = codeBGPRanges
	case e.HTTP == http.StatusNotFound && strings.HasPrefix(e.Resource, pscEndpoint) && says("/serviceAttachments/"):
		e.code = codePSCTarget
	case says("Incorrect combination of connection preference"):
		e.code = codePSCLists
	case strings.HasPrefix(e.Resource, "subnetwork ") && says("conflicts with existing subnetwork"):
		e.code = codePSCSubnet
	case strings.HasPrefix(e.Resource, "membership ") && says("but the cluster is already registered with resource"):
		e.code = codeRegistered
	case strings.HasPrefix(e.Resource, "membership ") && says("hub default service account does not have access"):
		e.code = codeFleetAgent
	case e.Reason == "containerNotEmpty": // a DNS zone with records
		e.code = codeHeld
	case !strings.Contains(e.Resource, "address") && (says("already being used by") || e.Reason == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"):
		e.code = codeHeld
	case says("already being used by") || e.Reason == "resourceInUseByAnotherResource" || e.Reason == "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE":
		e.code = codeInUse
	case says("is not a reserved network"): // among a private endpoint's authorized ones
		e.code = codePublic
	case says("Constraint ") && says("violated"), says("denied by custom org polic"): // Google's constraints, and the organisation's own
		e.code = codeOrgPolicy
	case e.Reason == "quotaExceeded" || e.Reason == "QUOTA_EXCEEDED" || e.Reason == "rateLimitExceeded" || e.HTTP == http.StatusTooManyRequests:
		e.code = codeQuota
	case e.Reason == "SERVICE_DISABLED" || e.Reason == "accessNotConfigured":
		e.code = codeAPIDisabled
	case says("operation in progress", "incompatible operation", "not ready") || e.Reason == "resourceNotReady" || e.HTTP == http.StatusConflict && e.Reason == "ABORTED":
		e.code = codeBusy
	default:
		e.code = cmp.Or(byStatus(e.HTTP), explain.CodeOfText(e.Message))
	}
}

func byStatus(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return codeCredentials
	case status == http.StatusForbidden:
		return codePermission
	case status == http.StatusNotFound:
		return codeNotFound
	case status == http.StatusConflict:
		return codeConflict
	case status == http.StatusPreconditionFailed:
		return codePrecondition
	case status >= 500:
		return codeUnavailable
	}
	return ""
}

// operationError is the failure of an operation after its call was taken.
func operationError(verb, resource string, op *computepb.Operation) error {
	failures := op.GetError().GetErrors()
	if len(failures) == 0 && op.GetHttpErrorStatusCode() < 400 {
		return nil
	}
	e := &Error{Verb: verb, Resource: resource, HTTP: int(op.GetHttpErrorStatusCode()), Message: op.GetHttpErrorMessage()}
	if len(failures) > 0 {
		e.Reason, e.Message = failures[0].GetCode(), failures[0].GetMessage()
	}
	e.classify()
	return e
}
