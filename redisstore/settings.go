package redisstore

import (
	"net"
	"strings"
	"sync"
	"time"
)

// Options are the settings of a server that only a host chooses.
type Options struct {
	Username string
	Password string

	// CA is the path of a PEM file with the certificates that vouch for the server.
	// Where it is set, nobody reaches the server without TLS.
	CA string

	// Sentinel is the name of the master set; the address is then a sentinel's.
	Sentinel string

	// Timeout is how long dialling and sending may take; 0 stands for 5 s.
	Timeout time.Duration
}

// Configure says how the stores of a server are opened, by this host and by its
// scripts, which give no settings themselves. The address is that of the URLs,
// host:port or the path of a socket; without a port it is 6379. What a host's own
// URL says goes before that. Stores that are open stay as they are. It may be
// called at any time by any goroutine.
func Configure(addr string, o Options) {
	if !strings.HasPrefix(addr, "/") {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			host, port = strings.Trim(addr, "[]"), ""
		}
		addr = address(host, port)
	}
	configuration.Lock()
	defer configuration.Unlock()
	if configuration.of == nil {
		configuration.of = map[string]settings{}
	}
	configuration.of[addr] = settings{o.Username, o.Password, o.CA, o.Sentinel, o.Timeout}
}

var configuration struct {
	sync.Mutex
	of map[string]settings // by address
}

// settings are what only a host chooses.
type settings struct {
	username, password, ca, sentinel string
	timeout                          time.Duration
}

func configured(addr string) settings {
	configuration.Lock()
	defer configuration.Unlock()
	return configuration.of[addr]
}

// take takes one part of the query of a host's URL.
func (s *settings) take(key, value string) error {
	switch key {
	case "ca":
		s.ca = value
	case "sentinel":
		s.sentinel = value
	case "timeout":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return invalid("timeout is a time such as 5s")
		}
		s.timeout = d
	default:
		return invalid("the URL's setting %.40q is not known; there are ca, sentinel and timeout", key)
	}
	return nil
}

// settingsForScripts are those that the host configured for a server, else those
// of the client that the host has open for it. Without either there are none.
func settingsForScripts(at place) (settings, error) {
	configuration.Lock()
	set, known := configuration.of[at.address]
	configuration.Unlock()
	if known {
		if set.ca != "" && !at.tls {
			return set, notAllowed("server %s is reached by TLS only; write rediss:// or valkeys://", at.address)
		}
		return set, nil
	}
	servers.Lock()
	defer servers.Unlock()
	for id, s := range servers.open {
		switch {
		case !s.byHost || id.place != at || known && id.settings == set:
		case known:
			return settings{}, notAllowed("the host uses server %s with several settings; let it say by redisstore.Configure which are for scripts", at.address)
		default:
			set, known = id.settings, true
		}
	}
	return set, nil
}
