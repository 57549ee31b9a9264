package kubeconfig

import (
	"fmt"
	"net/url"

	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"
	"sigs.k8s.io/yaml"
)

// Retarget makes, of the current context of a kubeconfig, one with the same
// identity and the same trust that goes to another server. context names its
// context, cluster and user; tlsServerName is checked in the certificate instead
// of the URL's host, "" for the host. It fails with CW-CFG-PARSE on what is no
// kubeconfig, CW-CFG-NO-CONTEXT where it has no current context, and
// CW-CFG-PARAMS on a URL that is not https.
func Retarget(data []byte, context, server, tlsServerName string) ([]byte, error) {
	const op = "retarget kubeconfig"
	var from clientcmdv1.Config
	if err := yaml.Unmarshal(data, &from); err != nil {
		return nil, failure(op, "CW-CFG-PARSE", "it is no kubeconfig", err)
	}
	if u, err := url.Parse(server); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, failure(op, "CW-CFG-PARAMS", fmt.Sprintf("server %q is no https URL", server), nil)
	}
	for _, c := range from.Contexts {
		if c.Name != from.CurrentContext {
			continue
		}
		to := clientcmdv1.Config{Kind: "Config", APIVersion: "v1", CurrentContext: context}
		to.Contexts = []clientcmdv1.NamedContext{{Name: context, Context: clientcmdv1.Context{Cluster: context, AuthInfo: context, Namespace: c.Context.Namespace}}}
		for _, cluster := range from.Clusters {
			if cluster.Name == c.Context.Cluster {
				cluster.Name, cluster.Cluster.Server, cluster.Cluster.TLSServerName = context, server, tlsServerName
				to.Clusters = append(to.Clusters, cluster)
			}
		}
		for _, user := range from.AuthInfos {
			if user.Name == c.Context.AuthInfo {
				user.Name = context
				to.AuthInfos = append(to.AuthInfos, user)
			}
		}
		if len(to.Clusters) != 1 || len(to.AuthInfos) != 1 {
			return nil, failure(op, "CW-CFG-PARSE", "its current context has no cluster or no user", nil)
		}
		text, err := yaml.Marshal(to)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		return text, nil
	}
	return nil, failure(op, "CW-CFG-NO-CONTEXT", fmt.Sprintf("there is no context %q", from.CurrentContext), nil)
}
