package bird

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func lines(t *testing.T, text string) []line {
	t.Helper()
	got, err := answer(bufio.NewScanner(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// What BIRD 2.0.12 says, cut short.
const protocolsAnswer = `2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     1795249355    
1006-
1002-as1        Static     t1         up     1795249355    
1006-  Channel ipv4
     State:          UP
     Table:          t1
 
1002-s1         BGP        ---        up     1795249400    Established   
1006-  BGP state:          Established
     Neighbor address: 169.254.1.2%cw0
   Channel ipv4
     State:          UP
 
1002-s2         BGP        ---        start  08:22:35.009  Idle          BGP Error: Bad peer AS
1006-  BGP state:          Idle
     Last error:       BGP Error: Bad peer AS
 
0000 
`

func TestProtocolsAreRead(t *testing.T) {
	want := []Protocol{
		{Name: "device1", Type: "Device", Up: true, Since: time.Unix(1795249355, 0)},
		{Name: "as1", Type: "Static", Up: true, Since: time.Unix(1795249355, 0)},
		{Name: "s1", Type: "BGP", Up: true, State: "Established", Since: time.Unix(1795249400, 0)},
		// Without Clock in the configuration the time of day is told: not read.
		{Name: "s2", Type: "BGP", State: "Idle", Error: "BGP Error: Bad peer AS"},
	}
	if diff := cmp.Diff(want, protocols(lines(t, protocolsAnswer))); diff != "" {
		t.Error(diff)
	}
}

func TestPrefixesAreRead(t *testing.T) {
	got := prefixes(lines(t, `1007-Table t1:
 10.1.0.0/16          unicast [s1 08:22:35.009] * (100) [AS65010i]
 	via 169.254.1.2 on cw0
                      unicast [s1 08:22:36.009] (100) [AS65010i]
 172.31.0.0/16        unicast [s1 08:22:35.009] * (100) [AS65010i]
 	via 169.254.1.2 on cw0
0000 
`))
	want := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("172.31.0.0/16")}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestAnAnswerThatIsNone(t *testing.T) {
	for name, text := range map[string]string{
		"an error":       "9001 syntax error, unexpected CF_SYM_UNDEFINED\n",
		"no code":        "hello world\n",
		"too short":      "00\n",
		"cut off":        "1002-device1    Device     ---        up     1795249355\n",
		"nothing at all": "",
	} {
		if got, err := answer(bufio.NewScanner(strings.NewReader(text))); err == nil {
			t.Errorf("%s: read as %v", name, got)
		}
	}
}
