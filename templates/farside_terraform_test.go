package templates_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// terraformArguments are those of the AWS provider's documentation that the file
// may use, by resource; a typing error is not among them.
var terraformArguments = map[string]*regexp.Regexp{
	"aws_customer_gateway": regexp.MustCompile(`^(type|bgp_asn|bgp_asn_extended|ip_address|tags)$`),
	"aws_vpn_connection": regexp.MustCompile(`^(type|customer_gateway_id|vpn_gateway_id|transit_gateway_id|static_routes_only|tags|` +
		`tunnel[12]_(inside_cidr|preshared_key|ike_versions|startup_action|dpd_timeout_action|` +
		`phase[12]_(encryption_algorithms|integrity_algorithms|dh_group_numbers|lifetime_seconds)))$`),
	"aws_vpn_gateway_route_propagation": regexp.MustCompile(`^(for_each|route_table_id|vpn_gateway_id)$`),
	"aws_route":                         regexp.MustCompile(`^(for_each|route_table_id|destination_cidr_block|transit_gateway_id)$`),
}

func parseTerraform(t *testing.T, text string) *hclsyntax.Body {
	t.Helper()
	file, problems := hclsyntax.ParseConfig([]byte(text), "aws.tf", hcl.InitialPos)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return file.Body.(*hclsyntax.Body)
}

// references are what the expressions of a block name, without the variables of
// their own loops: "var.x", "aws_customer_gateway.a".
func references(t *testing.T, body *hclsyntax.Body) (out []string) {
	t.Helper()
	for _, attribute := range body.Attributes {
		for _, traversal := range attribute.Expr.Variables() {
			name := traversal.RootName()
			if len(traversal) > 1 {
				if step, is := traversal[1].(hcl.TraverseAttr); is {
					name += "." + step.Name
				}
			}
			out = append(out, name)
		}
	}
	for _, block := range body.Blocks {
		out = append(out, references(t, block.Body)...)
	}
	return out
}

func TestTerraformsReferencesHold(t *testing.T) {
	for name, side := range farSides() {
		text, is := farFiles(t, side)["aws.tf"]
		if !is {
			continue
		}
		t.Run(name, func(t *testing.T) {
			body := parseTerraform(t, text)
			var declared []string
			for _, block := range body.Blocks {
				switch block.Type {
				case "variable":
					declared = append(declared, "var."+block.Labels[0])
				case "resource":
					declared = append(declared, block.Labels[0]+"."+block.Labels[1])
					allowed := terraformArguments[block.Labels[0]]
					for argument := range block.Body.Attributes {
						if allowed == nil || !allowed.MatchString(argument) {
							t.Errorf("%s has no argument %s", block.Labels[0], argument)
						}
					}
				}
			}
			want := []string{
				"aws_customer_gateway.causeway_a", "aws_customer_gateway.causeway_b", "aws_route.causeway", "aws_vpn_connection.causeway_a",
				"aws_vpn_connection.causeway_b", "aws_vpn_gateway_route_propagation.causeway", "var.causeway_keys", "var.causeway_route_tables",
				"var.causeway_transit_gateway", "var.causeway_vpn_gateway",
			}
			slices.Sort(declared)
			if diff := cmp.Diff(want, declared); diff != "" {
				t.Errorf("blocks, -want +got:\n%s", diff)
			}
			used := references(t, body)
			for _, reference := range used {
				// Types such as string and set are names in HCL, each.value is the loop's.
				if !slices.Contains([]string{"string", "set", "map", "each.value"}, reference) && !slices.Contains(declared, reference) {
					t.Errorf("%s is used and not declared", reference)
				}
			}
			for _, name := range declared {
				if !slices.Contains(used, name) && !strings.HasPrefix(name, "aws_route.") && !strings.HasPrefix(name, "aws_vpn_gateway_route_propagation.") {
					t.Errorf("%s is declared and not used", name)
				}
			}
		})
	}
}

func TestTerraformHoldsEachTunnelsValues(t *testing.T) {
	side := awsSide(true)
	body := parseTerraform(t, farFiles(t, side)["aws.tf"])
	for _, block := range body.Blocks {
		if block.Type != "resource" || block.Labels[0] != "aws_vpn_connection" {
			continue
		}
		first := map[string]int{"causeway_a": 0, "causeway_b": 2}[block.Labels[1]]
		for i, prefix := range []string{"tunnel1_", "tunnel2_"} {
			tunnel := side.Tunnels[first+i]
			cidr, problems := block.Body.Attributes[prefix+"inside_cidr"].Expr.Value(nil)
			if problems.HasErrors() || cidr.AsString() != tunnel.Link.String() {
				t.Errorf("%s %sinside_cidr is not %s", block.Labels[1], prefix, tunnel.Link)
			}
			key := block.Body.Attributes[prefix+"preshared_key"].Expr.Variables()
			if len(key) != 1 || key[0].RootName() != "var" {
				t.Fatalf("%s %spreshared_key is no variable", block.Labels[1], prefix)
			}
			if index, is := key[0][2].(hcl.TraverseIndex); !is || index.Key.AsString() != tunnel.SecretName {
				t.Errorf("%s %spreshared_key is not %s", block.Labels[1], prefix, tunnel.SecretName)
			}
		}
	}
}

func TestTerraformIsFormattedAsItsOwnToolDoes(t *testing.T) {
	long := awsSide(false)
	long.GoogleASN = 4200000000
	for name, text := range map[string]string{"a short ASN": farFiles(t, awsSide(true))["aws.tf"], "a long ASN": farFiles(t, long)["aws.tf"]} {
		if diff := cmp.Diff(string(hclwrite.Format([]byte(text))), text); diff != "" {
			t.Errorf("%s, -formatted +got:\n%s", name, diff)
		}
	}
}

// TestTerraformItselfTakesTheExpressions lets terraform, where it is installed,
// work out the rules and loops; the AWS provider is left out, so no network is needed.
func TestTerraformItselfTakesTheExpressions(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		notRun(t, "terraform")
		return
	}
	text := farFiles(t, awsSide(true))["aws.tf"]
	variables := strings.Join(regexp.MustCompile(`(?ms)^variable .*?^}\n`).FindAllString(text, -1), "")
	var outputs strings.Builder
	for i, loop := range regexp.MustCompile(`(?ms)^  for_each +(= toset\(.*?\)$|= \{.*?^  \}$)`).FindAllStringSubmatch(text, -1) {
		outputs.WriteString("output \"" + []string{"propagations", "routes"}[i] + "\" {\n  value " + loop[1] + "\n}\n")
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/main.tf", []byte(variables+outputs.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(env string, arguments ...string) (string, error) {
		command := exec.Command(terraform, append([]string{"-chdir=" + dir}, arguments...)...)
		command.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_INPUT=0", "TF_VAR_causeway_keys="+env)
		said, err := command.CombinedOutput()
		return string(said), err
	}
	keys := func(key string) string {
		var parts []string
		for _, tunnel := range awsSide(true).Tunnels {
			parts = append(parts, `"`+tunnel.SecretName+`": "`+key+`"`)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	const tables = `-var=causeway_route_tables=["rtb-1"]`
	for name, test := range map[string]struct {
		key, gateway string
		want, not    string
	}{
		"a transit gateway":         {"k3y.of_all", "-var=causeway_transit_gateway=tgw-0a", `"rtb-1 172.16.0.32/28"`, ""},
		"a virtual private gateway": {"k3y.of_all", "-var=causeway_vpn_gateway=vgw-0a", "propagations = [\n      + \"rtb-1\"", "172.16"},
		"a key that AWS refuses":    {"short", "-var=causeway_vpn_gateway=vgw-0a", "Invalid value for variable", "short"},
	} {
		said, err := run(keys(test.key), "plan", "-no-color", tables, test.gateway)
		if !strings.Contains(said, test.want) || test.not != "" && strings.Contains(said, test.not) || (err == nil) == (test.key == "short") {
			t.Errorf("%s: %v: terraform says, where %q was wanted:\n%s", name, err, test.want, said)
		}
	}
}

// notRun says loudly that a check by somebody else's tool did not take place.
func notRun(t *testing.T, tool string) {
	t.Helper()
	t.Logf("NOT RUN: %s is not installed here; that it takes the far side's file was not tested", tool)
	path := os.Getenv("CAUSEWAY_NOT_RUN_FILE")
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(t.Name() + ": " + tool + " is not installed\n"); err != nil {
		t.Fatal(err)
	}
}
