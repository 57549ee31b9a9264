package life

import (
	"context"
	"testing"
	"time"

	"causeway/lab/place"
)

func TestOneTestProgramAtATimeHoldsTheLab(t *testing.T) {
	l := Lab{Place: place.Place{Cache: t.TempDir()}}
	done, err := l.Turn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := l.Turn(short); err == nil {
		t.Error("two hold it")
	}
	done()
	second, err := l.Turn(t.Context())
	if err != nil {
		t.Fatalf("after the first one's turn: %v", err)
	}
	second()
}
