// Package gcp is the product's only door to Google: one file per kind of
// resource, plain structs of its own in and out, no SDK type beyond it.
//
// It speaks REST alone, so that one HTTP emulator (internal/gcptest) stands behind
// all of it; it retries what may be repeated, waits for operations, and turns every
// failure into an *Error that says what was done to which resource, what Google
// answered, and which known cause (CW-GCP-..., CW-NET-...) it is.
//
// It must not decide anything: what is to be created or removed is the exposer's
// business. It reads no environment but through the function handed to FromEnv.
//
//	config, err := gcp.FromEnv(ctx, os.Getenv, gcp.Options{UserAgent: "causeway/1.0"})
//	cloud, err := gcp.New(ctx, config)
//	cluster, err := cloud.Cluster(ctx, "my-project", "europe-west3", "private-cluster")
package gcp
