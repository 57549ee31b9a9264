package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is how wide help texts are: they are read in split windows too.
const helpWidth = 100

// groupKey annotates a flag with the heading that it stands under.
const groupKey = "causeway-group"

// flagSet is pflag's, under a name that the verbs use.
type flagSet = pflag.FlagSet

// group adds flags to a command under a heading of its help.
func group(cmd *cobra.Command, title string, add func(*flagSet)) {
	flags := pflag.NewFlagSet(title, pflag.ContinueOnError)
	flags.SortFlags = false
	add(flags)
	cmd.Flags().SortFlags = false
	flags.VisitAll(func(f *pflag.Flag) {
		f.Annotations = map[string][]string{groupKey: {title}}
		cmd.Flags().AddFlag(f)
	})
}

// methodGroup is group for flags that one method knows.
func methodGroup(cmd *cobra.Command, method, title string, add func(*flagSet)) {
	var names []string
	group(cmd, title, func(f *flagSet) {
		add(f)
		f.VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	})
	for _, name := range names {
		cmd.Flags().Lookup(name).Annotations[methodKey] = []string{method}
	}
}

// methodKey is the annotation of a flag that one method knows.
const methodKey = "causeway_method"

// foreignFlags finds a flag of another method than the one that is asked for: to
// pass over it in silence would surprise.
func foreignFlags(cmd *cobra.Command, method string) error {
	var foreign error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if of := f.Annotations[methodKey]; method != "" && len(of) > 0 && !slices.Contains(of, method) && foreign == nil {
			foreign = &usageError{text: fmt.Sprintf("--%s is a flag of the method %s, not of %s", f.Name, strings.Join(of, ", "), method), cmd: cmd.CommandPath()}
		}
	})
	return foreign
}

// usage writes how a command is used: its form, examples, commands, then the
// flags under their headings in the order in which they were added.
func usage(cmd *cobra.Command) error {
	w := cmd.OutOrStderr()
	fmt.Fprintln(w, "Usage:")
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		fmt.Fprintln(w, "  "+cmd.UseLine())
		if cmd.Flags().Lookup("file") != nil {
			fmt.Fprintln(w, "  "+cmd.CommandPath()+" -f FILE [flags]")
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintln(w, "  "+cmd.CommandPath()+" COMMAND")
	}
	switch {
	case cmd.HasParent() && cmd.Parent().Name() == "certs":
		fmt.Fprintln(w, "\nMETHOD is ilb: the others have no certificates of their own.")
	case strings.Contains(cmd.Use, "METHOD") && !strings.Contains(cmd.Long, methodsHelp):
		fmt.Fprintln(w, "\nMETHOD is ilb, route, psc, dns, gateway or mcs; causeway --help says what each is.")
	}
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		commandHelp(w, cmd)
		return nil
	}
	flagHelp(w, cmd.Flags())
	return nil
}

// commandHelp lists the commands below one, in groups where it has them.
func commandHelp(w io.Writer, cmd *cobra.Command) {
	wide := 0
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			wide = max(wide, len(sub.Name()))
		}
	}
	list := func(title, group string) {
		fmt.Fprintf(w, "\n%s:\n", title)
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() && sub.GroupID == group && sub.Name() != "help" {
				fmt.Fprintf(w, "  %-*s  %s\n", wide, sub.Name(), sub.Short)
			}
		}
	}
	for _, group := range cmd.Groups() {
		list(group.Title, group.ID)
	}
	if len(cmd.Groups()) == 0 {
		list("Commands", "")
	}
	fmt.Fprintf(w, "\n%s COMMAND --help tells more of each.\n", cmd.CommandPath())
}

func flagHelp(w io.Writer, all *flagSet) {
	var titles []string
	groups := map[string]*pflag.FlagSet{}
	all.VisitAll(func(f *pflag.Flag) {
		title := aboutRun
		if named := f.Annotations[groupKey]; len(named) > 0 {
			title = named[0]
		}
		if groups[title] == nil {
			groups[title] = pflag.NewFlagSet(title, pflag.ContinueOnError)
			groups[title].SortFlags = false
			titles = append(titles, title)
		}
		groups[title].AddFlag(f)
	})
	slices.SortStableFunc(titles, func(a, b string) int { return last(a) - last(b) })
	for _, title := range titles {
		fmt.Fprintf(w, "\n%s:\n%s", title, strings.TrimRight(plainDefaults(groups[title]).FlagUsagesWrapped(helpWidth), " "))
	}
}

// plainDefaults are flags whose defaults are told as the texts tell them: without
// quotes, and without the zeros of a duration.
func plainDefaults(flags *flagSet) *flagSet {
	plain := pflag.NewFlagSet("", pflag.ContinueOnError)
	plain.SortFlags = false
	flags.VisitAll(func(f *pflag.Flag) {
		told := *f
		zero := map[string]string{"int": "0", "uint32": "0", "duration": "0s", "bool": "false", "stringSlice": "[]"}[f.Value.Type()]
		if f.DefValue != zero {
			told.Usage += " (default " + strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(f.DefValue) + ")"
			told.DefValue = zero
		}
		plain.AddFlag(&told)
	})
	return plain
}

// last puts the flags that every command has behind those of its own.
func last(title string) int { return slices.Index([]string{aboutReach, aboutRun}, title) }

// atMostMethod is the argument check of verbs that take one METHOD.
func atMostMethod(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return &usageError{text: "one METHOD is enough, not " + strings.Join(args, " "), cmd: cmd.CommandPath()}
	}
	return nil
}

// noArguments is the argument check of verbs that take none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usageError{text: "no argument is expected here, not " + strings.Join(args, " "), cmd: cmd.CommandPath()}
}

// knownCommand is the argument check of commands that only hold others.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", strings.TrimPrefix(cmd.CommandPath()+" "+args[0], "causeway "))
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2 // letters that differ
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return &usageError{text: text, cmd: cmd.CommandPath()}
}

// verbFirst is knownCommand for the program itself, where people type the method
// without a verb.
func (a *app) verbFirst(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || !slices.Contains(a.methodNames(), args[0]) {
		return knownCommand(cmd, args)
	}
	err := &usageError{text: args[0] + " is a method, and the verb goes before it", cmd: cmd.CommandPath()}
	return &hinted{err, []next{{"causeway plan " + args[0] + " --help", "what it takes"}, {"causeway --help", "the verbs"}}}
}

// oneCode is the argument check of explain.
func oneCode(cmd *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return &usageError{text: "one CODE is enough, or - for a text on stdin, not " + strings.Join(args, " "), cmd: cmd.CommandPath()}
}

// flagError names the flag that was meant, where one is near.
func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	typed, ok := strings.CutPrefix(text, "unknown flag: --")
	if !ok {
		return &usageError{text: text, cmd: cmd.CommandPath()}
	}
	if sub, _, find := cmd.Root().Find([]string{typed}); find == nil && sub != cmd.Root() { // --version
		return &hinted{&usageError{text: text, cmd: cmd.CommandPath()}, []next{{sub.CommandPath(), sub.Short}}}
	}
	near, best := "", 3 // letters that differ: as many are no typo
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := distance(typed, f.Name); d < best {
			near, best = f.Name, d
		}
	})
	if near != "" {
		text += "; did you mean --" + near + "?"
	}
	return &usageError{text: text, cmd: cmd.CommandPath()}
}

// distance is how many letters have to be put in, left out or replaced to make one
// word of the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
