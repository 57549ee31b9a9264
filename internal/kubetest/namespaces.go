package kubetest

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// namespace gives a new one what every namespace has, and empties one that is
// being deleted.
func (c *Controllers) namespace(ctx context.Context, ns *unstructured.Unstructured, gone bool) error {
	name := ns.GetName()
	if gone {
		return nil
	}
	if ns.GetDeletionTimestamp() != nil {
		if _, busy := c.leaving.LoadOrStore(name, true); !busy {
			c.wait.Add(1)
			go func() {
				defer c.wait.Done()
				defer c.leaving.Delete(name)
				c.empty(ctx, name)
			}()
		}
		return nil
	}
	_, err := c.create(ctx, serviceAccounts, map[string]any{"apiVersion": "v1", "kind": "ServiceAccount",
		"metadata": map[string]any{"name": "default", "namespace": name}})
	if ignorable(err) != nil {
		return err
	}
	_, err = c.create(ctx, configMaps, map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "kube-root-ca.crt", "namespace": name},
		"data":     map[string]any{"ca.crt": string(c.ca)}})
	return err
}

// empty deletes all in a namespace, waits until finalizers have let go, then
// takes the namespace's own finalizer away.
//
// The kinds that held something are looked at until they are empty, then all
// kinds once more, for what came meanwhile.
func (c *Controllers) empty(ctx context.Context, name string) {
	var look []schema.GroupVersionResource
	for wait := 20 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 500*time.Millisecond) {
		var err error
		all := len(look) == 0
		if all {
			look, err = c.namespaced(ctx)
		}
		if err == nil {
			look, err = c.sweep(ctx, name, look)
		}
		switch {
		case err != nil:
			look = nil
		case len(look) == 0 && all && ignorable(c.finalize(ctx, name)) == nil:
			return
		case len(look) == 0 && !all:
			continue
		}
		pause(ctx, wait)
	}
}

// sweep deletes what is in the namespace and returns the kinds that held something.
func (c *Controllers) sweep(ctx context.Context, name string, resources []schema.GroupVersionResource) ([]schema.GroupVersionResource, error) {
	var left []schema.GroupVersionResource
	grace := int64(0)
	for _, resource := range resources {
		in := c.client.Resource(resource).Namespace(name)
		list, err := in.List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(list.Items) == 0 {
			continue
		}
		left = append(left, resource)
		if err := in.DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &grace}, metav1.ListOptions{}); err != nil {
			return nil, err
		}
	}
	return left, nil
}

func (c *Controllers) finalize(ctx context.Context, name string) error {
	ns, err := c.client.Resource(namespaces).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	unstructured.RemoveNestedField(ns.Object, "spec", "finalizers")
	_, err = c.client.Resource(namespaces).Update(ctx, ns, metav1.UpdateOptions{}, "finalize")
	return err
}

// serviceAccount removes the token Secrets of one that is gone.
func (c *Controllers) serviceAccount(ctx context.Context, account *unstructured.Unstructured, gone bool) error {
	if !gone {
		return nil
	}
	list, err := c.client.Resource(secrets).Namespace(account.GetNamespace()).List(ctx, metav1.ListOptions{
		FieldSelector: "type=kubernetes.io/service-account-token"})
	if err != nil {
		return err
	}
	for _, secret := range list.Items {
		if secret.GetAnnotations()["kubernetes.io/service-account.uid"] != string(account.GetUID()) {
			continue
		}
		err := c.client.Resource(secrets).Namespace(secret.GetNamespace()).Delete(ctx, secret.GetName(), metav1.DeleteOptions{})
		if ignorable(err) != nil {
			return err
		}
	}
	return nil
}

// tokenSecret fills a Secret of type kubernetes.io/service-account-token.
func (c *Controllers) tokenSecret(ctx context.Context, secret *unstructured.Unstructured, gone bool) error {
	if token, _, _ := unstructured.NestedString(secret.Object, "data", "token"); gone || token != "" {
		return nil
	}
	name := secret.GetAnnotations()["kubernetes.io/service-account.name"]
	account, err := c.client.Resource(serviceAccounts).Namespace(secret.GetNamespace()).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err // gone: the token controller deletes the Secret later; so does nobody here
	}
	token, err := c.tokenFor(ctx, secret, account)
	if err != nil {
		return err
	}
	changed := secret.DeepCopy()
	notes := changed.GetAnnotations()
	notes["kubernetes.io/service-account.uid"] = string(account.GetUID())
	changed.SetAnnotations(notes)
	encode := base64.StdEncoding.EncodeToString
	changed.Object["data"] = map[string]any{"token": encode([]byte(token)), "ca.crt": encode(c.ca),
		"namespace": encode([]byte(secret.GetNamespace()))}
	_, err = c.client.Resource(secrets).Namespace(secret.GetNamespace()).Update(ctx, changed, metav1.UpdateOptions{})
	return err
}

// tokenFor makes a token for the Secret: without end where the signing key is
// known (as the controller manager does), else a TokenRequest's, bound to the Secret.
func (c *Controllers) tokenFor(ctx context.Context, secret, account *unstructured.Unstructured) (string, error) {
	const prefix = "kubernetes.io/serviceaccount/"
	if c.tokenKey != nil {
		return signToken(c.tokenKey, map[string]any{
			"iss":                "kubernetes/serviceaccount",
			"sub":                "system:serviceaccount:" + account.GetNamespace() + ":" + account.GetName(),
			prefix + "namespace": account.GetNamespace(), prefix + "secret.name": secret.GetName(),
			prefix + "service-account.name": account.GetName(), prefix + "service-account.uid": string(account.GetUID()),
		})
	}
	request := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
		"metadata": map[string]any{"name": account.GetName(), "namespace": account.GetNamespace()},
		"spec": map[string]any{"expirationSeconds": int64(365 * 24 * 3600), "boundObjectRef": map[string]any{
			"apiVersion": "v1", "kind": "Secret", "name": secret.GetName(), "uid": string(secret.GetUID())}}}}
	made, err := c.client.Resource(serviceAccounts).Namespace(account.GetNamespace()).
		Create(ctx, request, metav1.CreateOptions{}, "token")
	if err != nil {
		return "", err
	}
	token, _, _ := unstructured.NestedString(made.Object, "status", "token")
	if token == "" {
		return "", errors.New("request token: the answer has none")
	}
	return token, nil
}

// signToken makes a JWT signed with ES256 (RFC 7515; r and s of 32 bytes each).
func signToken(key *ecdsa.PrivateKey, claims map[string]any) (string, error) {
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"ES256"}`)) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + encode(signature), nil
}
