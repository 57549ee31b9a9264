package kube

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Access is one right in the cluster.
type Access struct {
	Verb        string // "create"
	Group       string // "apps"
	Resource    string // "deployments"
	Subresource string // "token"
	Namespace   string // "" for cluster-wide
	Name        string // "" for any
}

// String is the right as kubectl auth can-i takes it.
func (a Access) String() string {
	text := a.Verb + " " + a.Resource
	if a.Group != "" {
		text += "." + a.Group
	}
	if a.Subresource != "" {
		text += "/" + a.Subresource
	}
	if a.Name != "" {
		text += " " + a.Name
	}
	if a.Namespace != "" {
		text += " in " + a.Namespace
	}
	return text
}

// Decision is the API server's word on one right.
type Decision struct {
	Access  Access
	Allowed bool
	Reason  string // the authorizer's, often empty
}

// reviewsAtOnce bounds the requests that CanI has under way.
const reviewsAtOnce = 8

// CanI asks for each right whether we have it (SelfSubjectAccessReview), several
// at a time; the decisions stand in the order of the questions.
func (c *Client) CanI(ctx context.Context, rights []Access) ([]Decision, error) {
	decisions, errs := make([]Decision, len(rights)), make([]error, len(rights))
	free := make(chan struct{}, reviewsAtOnce)
	var wait sync.WaitGroup
	for i, right := range rights {
		wait.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			decisions[i], errs[i] = c.canI(ctx, right)
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return decisions, nil
}

// Missing returns those of the rights that we do not have.
func (c *Client) Missing(ctx context.Context, rights []Access) ([]Access, error) {
	decisions, err := c.CanI(ctx, rights)
	var missing []Access
	for _, decision := range decisions {
		if !decision.Allowed {
			missing = append(missing, decision.Access)
		}
	}
	return missing, err
}

// Can asks whether somebody else has a right: a user by the name that the server
// knows him by, "alice@example.com" or "system:serviceaccount:NAMESPACE:NAME".
// Rights by groups are not seen, as nobody says here which ones he is in.
func (c *Client) Can(ctx context.Context, user string, right Access) (Decision, error) {
	return c.review(ctx, "SubjectAccessReview", map[string]any{"user": user}, right)
}

func (c *Client) canI(ctx context.Context, right Access) (Decision, error) {
	return c.review(ctx, "SelfSubjectAccessReview", map[string]any{}, right)
}

func (c *Client) review(ctx context.Context, kind string, spec map[string]any, right Access) (Decision, error) {
	attributes := map[string]any{"verb": right.Verb, "group": right.Group, "resource": right.Resource,
		"subresource": right.Subresource, "namespace": right.Namespace, "name": right.Name}
	spec["resourceAttributes"] = attributes
	ref := Ref{Group: "authorization.k8s.io", Version: "v1", Kind: kind}
	review := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": ref.Kind, "spec": spec}}
	var made *unstructured.Unstructured
	err := c.try(ctx, func() (err error) {
		made, err = c.in(ref).Create(ctx, review, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return Decision{}, wrap("review", "right to "+right.String(), err)
	}
	allowed, _, _ := unstructured.NestedBool(made.Object, "status", "allowed")
	reason, _, _ := unstructured.NestedString(made.Object, "status", "reason")
	return Decision{Access: right, Allowed: allowed, Reason: reason}, nil
}
