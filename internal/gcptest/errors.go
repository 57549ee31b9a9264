package gcptest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Error is a refusal, told in the form of the API that was called.
type Error struct {
	Status  int    // HTTP
	Reason  string // compute's errors[].reason: notFound, alreadyExists, forbidden, ...
	Message string
	Domain  string            // of an ErrorInfo detail; "" for none
	Info    string            // reason of the ErrorInfo detail: SERVICE_DISABLED, IAM_PERMISSION_DENIED
	Meta    map[string]string // metadata of the ErrorInfo detail

	// Canonical is the google.rpc code (FAILED_PRECONDITION), where the HTTP status
	// does not tell it.
	Canonical string
}

func invalid(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Reason: "invalid", Message: message}
}

func notFound(path string) *Error {
	return &Error{Status: http.StatusNotFound, Reason: "notFound", Message: fmt.Sprintf("The resource '%s' was not found", path)}
}

func alreadyExists(path string) *Error {
	return &Error{Status: http.StatusConflict, Reason: "alreadyExists", Message: fmt.Sprintf("The resource '%s' already exists", path)}
}

func inUse(path, by string) *Error {
	return &Error{Status: http.StatusBadRequest, Reason: "resourceInUseByAnotherResource",
		Message: fmt.Sprintf("The address resource '%s' is already being used by '%s'", path, by)}
}

func conditionNotMet(message string) *Error {
	return &Error{Status: http.StatusPreconditionFailed, Reason: "conditionNotMet", Message: message}
}

// canonical is the google.rpc code that the newer APIs add as error.status.
func canonical(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "INVALID_ARGUMENT"
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusConflict:
		return "ALREADY_EXISTS"
	case http.StatusPreconditionFailed:
		return "FAILED_PRECONDITION"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusNotImplemented:
		return "UNIMPLEMENTED"
	case http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	}
	return "INTERNAL"
}

// fail writes the error: compute's form, which Cloud DNS has too, has
// errors[], the others' status and details.
func (c *call) fail(w http.ResponseWriter, e *Error) {
	body := object{"code": e.Status, "message": e.Message}
	compute := c.service == nil || c.service.Name == "compute" || c.service.Name == "dns"
	if compute {
		body["errors"] = []any{object{"message": e.Message, "domain": "global", "reason": e.Reason}}
	}
	if !compute || e.Info != "" {
		body["status"] = canonical(e.Status)
		if e.Canonical != "" {
			body["status"] = e.Canonical
		}
	}
	if e.Info != "" {
		body["details"] = []any{object{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": e.Info, "domain": e.Domain, "metadata": e.Meta}}
	}
	c.status = e.Status
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(e.Status)
	json.NewEncoder(w).Encode(object{"error": body})
}
