package gcptest

// provisioning is the status of a tunnel while its creation runs; afterwards the
// line tells it.
const provisioning = "PROVISIONING"
