package gcptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Seed is a state to begin with, in the words of the APIs themselves.
type Seed struct {
	Projects  []SeedProject `json:"projects"`
	Resources []SeedObject  `json:"resources"`
	// Machines are the IPs that virtual machines and the like have, by the path of
	// their subnetwork: not free, though no address resource has them.
	Machines map[string][]string `json:"machines"`
	// Remotes are the far routers of the default line.
	Remotes []Remote `json:"remotes"`
}

// SeedProject is a project and the APIs that are enabled in it.
type SeedProject struct {
	ID       string   `json:"id"`
	Number   string   `json:"number"`
	Services []string `json:"services"`
}

// SeedObject is one resource as its API would tell it. What servers set (id,
// selfLink, timestamps, fingerprints) may be left out.
type SeedObject struct {
	Path string         `json:"path"` // projects/p/regions/r/subnetworks/s
	Body map[string]any `json:"body"`
}

// schemaOf tells the API, the discovery schema and the kind of a seed's collection.
func schemaOf(collection string) (api, schema, kind string) {
	switch collection {
	case "networks":
		return "compute", "Network", "compute#network"
	case "subnetworks":
		return "compute", "Subnetwork", "compute#subnetwork"
	case "addresses":
		return "compute", "Address", "compute#address"
	case "forwardingRules":
		return "compute", "ForwardingRule", "compute#forwardingRule"
	case "routers":
		return "compute", "Router", "compute#router"
	case "routes":
		return "compute", "Route", "compute#route"
	case "vpnGateways":
		return "compute", "VpnGateway", "compute#vpnGateway"
	case "externalVpnGateways":
		return "compute", "ExternalVpnGateway", "compute#externalVpnGateway"
	case "vpnTunnels":
		return "compute", "VpnTunnel", "compute#vpnTunnel"
	case "interconnectAttachments":
		return "compute", "InterconnectAttachment", "compute#interconnectAttachment"
	case "serviceAttachments":
		return "compute", "ServiceAttachment", "compute#serviceAttachment"
	case "clusters":
		return "container", "Cluster", ""
	case "memberships":
		return "gkehub", "Membership", ""
	case "features":
		return "gkehub", "Feature", ""
	case "iamPolicy":
		return "cloudresourcemanager", "Policy", ""
	case "roles":
		return "iam", "Role", ""
	}
	return "", "", ""
}

// ReadSeed reads a seed from a YAML file. Unknown fields are errors.
func ReadSeed(file string) (Seed, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Seed{}, fmt.Errorf("read seed: %w", err)
	}
	var seed Seed
	if err := yaml.UnmarshalStrict(data, &seed); err != nil {
		return Seed{}, fmt.Errorf("read seed %s: %w", file, err)
	}
	return seed, nil
}

// Fill adds a seed to the state. It fails when an object is none of its API's
// discovery document, and names the field.
func (s *Server) Fill(seed Seed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, project := range seed.Projects {
		s.objects["projects/"+project.ID] = object{
			"projectId": project.ID, "projectNumber": project.Number, "name": project.ID, "lifecycleState": "ACTIVE",
			"createTime": timestamp(s.options.Now()),
		}
		s.services[project.ID] = map[string]bool{}
		for _, service := range project.Services {
			s.services[project.ID][service] = true
		}
		s.keepPolicy(project.ID, object{"bindings": []any{object{"role": "roles/owner", "members": []any{Owner}}}})
	}
	for _, one := range seed.Resources {
		if err := s.plant(one); err != nil {
			return err
		}
	}
	s.connectAll()
	s.far.add(seed.Remotes)
	for _, subnet := range slices.Sorted(maps.Keys(seed.Machines)) {
		if s.inUse[subnet] == nil {
			s.inUse[subnet] = map[string]bool{}
		}
		for _, ip := range seed.Machines[subnet] {
			s.inUse[subnet][ip] = true
		}
	}
	return nil
}

func (s *Server) plant(one SeedObject) error {
	collection := path.Base(path.Dir(one.Path))
	if path.Base(one.Path) == "iamPolicy" {
		collection = "iamPolicy"
	}
	api, schema, kind := schemaOf(collection)
	if api == "" {
		return fmt.Errorf("plant %s: no such collection in the emulator", one.Path)
	}
	encoded, err := json.Marshal(one.Body)
	if err != nil {
		return fmt.Errorf("plant %s: %w", one.Path, err)
	}
	var strict any
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	if err := decoder.Decode(&strict); err != nil {
		return fmt.Errorf("plant %s: %w", one.Path, err)
	}
	service := s.catalog.Service(api)
	if problems := service.CheckBody(service.Schemas[schema], strict); len(problems) > 0 {
		return fmt.Errorf("plant %s: %v", one.Path, problems)
	}
	body := clone(one.Body)
	if body == nil {
		body = object{}
	}
	switch api {
	case "container":
		body["name"] = path.Base(one.Path)
		body["selfLink"] = "https://container.googleapis.com/v1/" + one.Path
		parts := strings.Split(one.Path, "/")
		body["location"] = parts[3]
		body["zone"] = parts[3] // deprecated, still answered: gcloud lists it as LOCATION
		tellSwitches(body)
	case "gkehub", "cloudresourcemanager", "iam":
		s.plantBeside(collection, one.Path, body)
	default:
		s.stamp(kind, one.Path, body)
		s.complete(collection, one.Path, body)
	}
	s.objects[one.Path] = body
	if collection == "forwardingRules" || collection == "addresses" {
		s.refreshAddresses(relative(text(body, "subnetwork"), ""), text(body, "address")+text(body, "IPAddress"))
	}
	return nil
}

// plantBeside adds what is neither compute's nor GKE's.
func (s *Server) plantBeside(collection, at string, body object) {
	switch collection {
	case "memberships":
		s.completeMembership(at, body, "READY")
		s.joinFleet(at, body)
	case "features":
		s.completeFeature(at, body, "ACTIVE")
	case "roles":
		body["name"] = at
	case "iamPolicy":
		s.keepPolicy(strings.Split(at, "/")[1], body)
	}
}

// tellSwitches fills in the switches of a cluster's DNS endpoint that a seed leaves
// out: GKE tells them when they are off too.
func tellSwitches(cluster object) {
	endpoints, _ := cluster["controlPlaneEndpointsConfig"].(object)
	dns, _ := endpoints["dnsEndpointConfig"].(object)
	for _, field := range []string{"allowExternalTraffic", "enableK8sTokensViaDns", "enableK8sCertsViaDns"} {
		if dns != nil && dns[field] == nil {
			dns[field] = false
		}
	}
}

// complete fills the fields that the server derives from the place of an object.
func (s *Server) complete(collection, at string, body object) {
	parts := strings.Split(at, "/")
	if len(parts) == 6 {
		body["region"] = link(strings.Join(parts[:4], "/"))
	}
	for _, field := range []string{"network", "subnetwork"} {
		if reference := text(body, field); reference != "" {
			body[field] = link(relative(reference, parts[1]))
		}
	}
	switch collection {
	case "subnetworks":
		body["fingerprint"] = fingerprint(body)
	case "addresses":
		body["labelFingerprint"] = fingerprint(body["labels"])
	case "routers":
		completeRouter(at, body)
	case "serviceAttachments":
		completeServiceAttachment(at, body)
	case "forwardingRules":
		s.completeEndpoint(body)
	case "vpnGateways":
		s.completeGateway(body)
	case "externalVpnGateways":
		body["labelFingerprint"] = fingerprint(body["labels"])
	case "vpnTunnels":
		s.completeTunnel(at, body)
	case "interconnectAttachments":
		completeAttachment(body, parts[1])
	case "routes":
		completeRoute(body, parts[1])
	}
}
