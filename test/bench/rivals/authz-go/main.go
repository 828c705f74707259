// The check service of the ext_authz chain in Go: looks a key up by its digest in a table and counts
// two limits, in one process, as a small service of an operator would. It answers on a port of the
// system's choice, which it prints.
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const quota = 1_000_000_000_000

var lengths = [2]time.Duration{time.Hour, 24 * time.Hour}

// A caller is who a key belongs to, and what is used of the current window of each limit.
type caller struct {
	name    string
	mutex   sync.Mutex
	current [2]int64
	used    [2]int64
}

// take takes one unit from every window, or from none.
func (c *caller) take(now time.Time) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for i, length := range lengths {
		if current := now.UnixNano() / int64(length); c.current[i] != current {
			c.current[i], c.used[i] = current, 0
		}
		if c.used[i] >= quota {
			return false
		}
	}
	for i := range c.used {
		c.used[i]++
	}
	return true
}

func readCallers(file string) (map[[32]byte]*caller, error) {
	keys, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer keys.Close()
	callers := map[[32]byte]*caller{}
	for lines := bufio.NewScanner(keys); lines.Scan(); {
		name := fmt.Sprintf("consumer-%d", len(callers))
		callers[sha256.Sum256(lines.Bytes())] = &caller{name: name}
	}
	return callers, nil
}

func main() {
	callers, err := readCallers(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found := callers[sha256.Sum256([]byte(r.Header.Get("x-api-key")))]
		switch {
		case found == nil:
			w.WriteHeader(http.StatusUnauthorized)
		case !found.take(time.Now()):
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			w.Header().Set("x-consumer", found.name)
		}
	})))
}
