// Package gcptest is an emulator of the Google APIs that causeway calls, over
// HTTP, for tests and for the lab. It mirrors internal/gcp file for file.
//
// It owns a state (networks with peerings, subnetworks, routes, addresses,
// forwarding rules, routers, service attachments and their endpoints, private DNS
// zones, clusters, projects) and behaves as the APIs do: operations run and then
// end, the server sets what servers set, and it answers 400, 401, 403, 404, 409
// and 412 with Google's words. Routes come from Google's discovery documents, and
// every request and answer is held to them; what breaks them is a Violation, and
// Serve fails the test for it. Connect Gateway, which has no such document, is held to
// the proto of Google's client. It can refuse, slow down and cut off any call.
//
// It must not be imported by the product, and knows nothing of it: gcloud works
// against it as well.
//
//	google := gcptest.Serve(t, gcptest.Options{}, "lab")
//	google.Inject(gcptest.Fault{Match: "compute.addresses.insert", Nth: 1, AfterEffect: true, CutOff: true})
//	env := google.Env() // CLOUDSDK_API_ENDPOINT_OVERRIDES_* for causeway and gcloud alike
package gcptest
