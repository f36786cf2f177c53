package integration_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The example is the one of the same name that uses a queue of the kernel, but for
// how it opens the queue and starts a server. So the difference must stay small.
func TestTheExampleIsThatOfTheKernel(t *testing.T) {
	t.Parallel()
	const file, most = "quickstart/main.go", 20
	theirs := lines(t, filepath.Join("..", "..", "..", "examples", file))
	ours := lines(t, filepath.Join("examples", file))
	other := len(ours) - common(theirs, ours)
	if other > most {
		t.Errorf("%s: %d of %d lines are other than in the example of the kernel, more than %d", file, other, len(ours), most)
	}
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), "\n")
}

// common returns how many lines a and b have in common, in the same order.
func common(a, b []string) int {
	longest := make([]int, len(b)+1) // for the part of b before each line
	for _, line := range a {
		diagonal := 0
		for j := range b {
			above := longest[j+1]
			if line == b[j] {
				longest[j+1] = diagonal + 1
			} else {
				longest[j+1] = max(above, longest[j])
			}
			diagonal = above
		}
	}
	return longest[len(b)]
}
