// Package kubeconfig owns the kubeconfig that causeway hands to the far side: it
// builds one, merges it into a file that exists, takes it out again, tells what one
// holds, and writes files whole or not at all.
//
// All but the functions on files (Read, WriteFile, Update) are pure: bytes in, bytes
// out. It must not touch the network or run exec plugins, and never puts a token or
// key into an error.
//
// Entries of other tools stay as they are, unknown fields, extensions and
// preferences included. Comments and the order of fields in the YAML do not survive,
// as with kubectl and gcloud, whose writers keep neither.
//
//	made, err := kubeconfig.Build(kubeconfig.Params{Context: "causeway-prod", Server: "https://10.0.0.5", CA: ca, Token: token})
//	err = kubeconfig.Update(path, func(old []byte) ([]byte, error) {
//		return kubeconfig.Merge(old, made, kubeconfig.MergeOptions{})
//	})
package kubeconfig

import "strings"

// Error is a failure whose cause is known.
type Error struct {
	Op       string   // verb and resource: "merge kubeconfig"
	Problems []string // each one line, without secrets
	Known    string   // CW-CFG-...
	Cause    error    // of the operating system, where there is one
}

// Error is one line for one problem, else a line for each.
func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return e.Op + ": " + e.Problems[0]
	}
	return e.Op + ": several problems:\n  - " + strings.Join(e.Problems, "\n  - ")
}

// Code is the catalogue's code.
func (e *Error) Code() string { return e.Known }

// Unwrap gives the operating system's error, so that errors.Is(err, fs.ErrNotExist)
// and the like work.
func (e *Error) Unwrap() error { return e.Cause }

func failure(op, code, problem string, cause error) *Error {
	return &Error{Op: op, Problems: []string{problem}, Known: code, Cause: cause}
}
