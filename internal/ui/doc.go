// Package ui owns what people see while causeway works: progress on stderr,
// tables on stdout, and the one question before changes.
//
// It writes only to the writers that it is given, reads no environment and knows
// nothing of exposures. Everything it prints passes Redact: a last net, because a
// text from elsewhere (an error of an API, say) may hold a token.
//
//	progress := ui.NewProgress(os.Stderr, tty, time.Now)
//	progress.Start("address/causeway-prod", "address causeway-prod")
//	progress.Note("address/causeway-prod", "the operation runs")
//	progress.Done("address/causeway-prod", 3*time.Second, "10.156.0.26")
package ui
