// The simulated ESX of the tests: the simulator of govmomi, widened where an agent that deploys machines looks closer.
// tests/lab/README.md says what it promises and what it cannot prove.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
)

// several is a flag that may be given more than once.
type several []string

func (s *several) String() string         { return strings.Join(*s, " ") }
func (s *several) Set(value string) error { *s = append(*s, value); return nil }

var (
	listen     = flag.String("listen", "127.0.0.2:0", "address and port; port 0 takes a free one")
	user       = flag.String("user", "root", "who may log in")
	password   = flag.String("password-file", "", "file with the password")
	folder     = flag.String("folder", "", "where datastores, certificate and run files are kept")
	vcenter    = flag.Bool("vcenter", false, "be a vCenter with the hosts instead of one ESX")
	centers    = flag.Int("datacenters", 1, "datacenters of a vCenter")
	hosts      = flag.Int("hosts", 1, "hosts outside clusters in each datacenter")
	clusters   = flag.Int("clusters", 0, "clusters in each datacenter, of two hosts each, with DRS")
	forged     = flag.Bool("forged-host", false, "a vCenter vouches for another certificate than its ESX shows")
	portgroups = flag.Int("portgroups", 0, "port groups of a distributed switch in each datacenter")
	version    = flag.String("api", "7.0.3.0", "version of the API that is offered")
	idle       = flag.Duration("idle", 0, "sessions end when they were silent for so long; 0 never")
	transfer   = flag.Duration("transfer-delay", 0, "delay of each uploaded MiB")
	leaseTime  = flag.Duration("lease", 300*time.Second, "a lease that hears nothing for so long is lost")
	guests     = flag.String("guests", "", "program that is the guest of each machine with power; none: power is book-keeping")
	answers    = flag.String("answers", "", "without guests: the address that the tools of each machine report")
	datastores several
	networks   several
)

func main() {
	flag.Var(&datastores, "datastore", "NAME=BYTES of a datastore that all hosts see, or NAME=BYTES=HOST of one host's own; may be repeated")
	flag.Var(&networks, "network", "a further network; may be repeated")
	flag.Parse()
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	simulator.SessionIdleTimeout = *idle
	secret, err := os.ReadFile(*password)
	check(err)

	model := inventory()
	widen()
	autostarts()
	recall()
	server := serve(model, strings.TrimSpace(string(secret)))
	ready, _ := json.Marshal(map[string]string{"address": server, "certificate": filepath.Join(*folder, "rui.crt")})
	replace(filepath.Join(*folder, "ready.json"), ready)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range time.Tick(200 * time.Millisecond) {
			measureAll()
		}
	}()
	<-stop
	stopGuests()
}

// replace lets a file appear whole.
func replace(file string, content []byte) {
	check(os.WriteFile(file+".draft", content, 0o600))
	check(os.Rename(file+".draft", file))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
