package server

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// retire is what makes the process of a node stop as an operator does it.
const retire = "retire"

// Retire ends the node like Stop, but as a lame duck: it gives up what it leads, notifies
// its clients, and disconnects them one after the other.
func (n *Node) Retire() error {
	if _, err := io.WriteString(n.stop, retire+"\n"); err != nil {
		return err
	}
	err := n.process.Wait()
	n.process = nil
	return err
}

// Signal sends a signal to the process of the node.
func (n *Node) Signal(s os.Signal) error { return n.process.Process.Signal(s) }

// RunNode is what the process of a node does, until its standard input ends.
func RunNode(config string) error {
	var c nodeConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	host, port, err := split(c.Place.Clients)
	if err != nil {
		return err
	}
	peers, peersPort, err := split(c.Place.Routes)
	if err != nil {
		return err
	}
	s, err := Start(&Options{Dir: c.Dir, Port: port, Configure: func(o *natsserver.Options) {
		o.ServerName, o.Host = c.Name, host
		o.LameDuckGracePeriod, o.LameDuckDuration = time.Second, 2*time.Second
		if len(c.Routes) > 0 {
			o.Cluster = natsserver.ClusterOpts{Name: "ipcmq", Host: peers, Port: peersPort}
			o.Routes = natsserver.RoutesFromStr("nats://" + strings.Join(c.Routes, ",nats://"))
		}
	}})
	if err != nil {
		return err
	}
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		if orders.Text() == retire {
			s.NATS().LameDuckShutdown()
			break
		}
	}
	return s.Close()
}

func split(place string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(place)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	return host, port, err
}

// Stopped reports whether the node does not run.
func (n *Node) Stopped() bool { return n.process == nil }
