package demo

import (
	"context"
	"errors"
)

func (d Demo) small(context.Context, *report) error {
	return errors.New("run the smaller form: not there yet")
}
