package kubetest

import (
	"context"
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

func TestMain(m *testing.M) { os.Exit(StartMain(m)) }

func TestServerAnswers(t *testing.T) {
	server := Start(t)
	ns := server.Namespace(t)
	for name, token := range map[string]string{"the admin's token": server.adminTok, "a Google token": GoogleToken} {
		t.Run(name, func(t *testing.T) {
			client, err := dynamic.NewForConfig(server.ConfigFor(token))
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).
				Get(context.Background(), ns, metav1.GetOptions{})
			if err != nil || got.GetName() != ns {
				t.Fatalf("get namespace %s: %v", ns, err)
			}
		})
	}
}
