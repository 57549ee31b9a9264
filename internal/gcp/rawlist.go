package gcp

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// aggregated hands out each item of an aggregatedList, page by page, by region. A
// region that did not answer is an error: a list with a hole must not pass for a
// whole one.
func (c *Cloud) aggregated(ctx context.Context, project, collection, resource string, each func(region string, item json.RawMessage) error) error {
	query := url.Values{}
	for {
		text, err := c.rawCompute.call(ctx, http.MethodGet, fmt.Sprintf("projects/%s/aggregated/%s", project, collection), query, nil)
		if err != nil {
			return wrap("list", resource, err)
		}
		var page struct {
			Items         map[string]map[string]json.RawMessage `json:"items"`
			NextPageToken string                                `json:"nextPageToken"`
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return garbled("list", resource, err)
		}
		for _, scope := range slices.Sorted(maps.Keys(page.Items)) {
			if err := eachOf(page.Items[scope], scope, collection, resource, each); err != nil {
				return err
			}
		}
		if page.NextPageToken == "" {
			return nil
		}
		query.Set("pageToken", page.NextPageToken)
	}
}

// listed hands out each item of a list, page by page; field is where its items are.
func (a rawAPI) listed(ctx context.Context, path, resource, field string, query url.Values, each func(item json.RawMessage) error) error {
	query = maps.Clone(query)
	if query == nil {
		query = url.Values{}
	}
	for {
		text, err := a.call(ctx, http.MethodGet, path, query, nil)
		if err != nil {
			return wrap("list", resource, err)
		}
		page, token, items := map[string]json.RawMessage{}, "", []json.RawMessage{}
		if err := json.Unmarshal(text, &page); err != nil {
			return garbled("list", resource, err)
		}
		for _, part := range []struct {
			text json.RawMessage
			into any
		}{{page["nextPageToken"], &token}, {page[field], &items}} {
			if len(part.text) == 0 {
				continue
			}
			if err := json.Unmarshal(part.text, part.into); err != nil {
				return garbled("list", resource, err)
			}
		}
		for _, item := range items {
			if err := each(item); err != nil {
				return garbled("list", resource, err)
			}
		}
		if token == "" {
			return nil
		}
		query.Set("pageToken", token)
	}
}

func eachOf(scope map[string]json.RawMessage, name, collection, resource string, each func(string, json.RawMessage) error) error {
	var warning struct{ Code, Message string }
	var items []json.RawMessage
	for _, part := range []struct {
		text json.RawMessage
		into any
	}{{scope["warning"], &warning}, {scope[collection], &items}} {
		if len(part.text) == 0 {
			continue
		}
		if err := json.Unmarshal(part.text, part.into); err != nil {
			return garbled("list", resource, err)
		}
	}
	if warning.Code == "UNREACHABLE" {
		return unreached(resource, name, warning.Message)
	}
	for _, item := range items {
		if err := each(strings.TrimPrefix(name, "regions/"), item); err != nil {
			return garbled("list", resource, err)
		}
	}
	return nil
}

// garbled is an answer that makes no sense.
func garbled(verb, resource string, err error) error {
	return &Error{Verb: verb, Resource: resource, Message: "the answer makes no sense: " + err.Error(), Cause: err}
}
