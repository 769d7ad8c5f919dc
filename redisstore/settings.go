package redisstore

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	silence     = 10 * time.Second

	defaultInFlightBytes = 256 << 20
	defaultCallKeys      = 100_000

	libraryName    = "scriptling-kv"
	libraryVersion = "0.1.0"
)

// Options are the settings of a server that only a host can choose. The zero value of each
// field means its default.
type Options struct {
	Username string
	Password string

	// CA is the path of a PEM file with the certificates against which the server's
	// certificate is checked. If it is set, the server is only reached over TLS.
	CA string

	// ClientCert and ClientKey are the paths of PEM files with the certificate that the
	// server demands of its clients, and its key.
	ClientCert string
	ClientKey  string

	// Sentinel is the name of the master set; the addresses are then those of sentinels.
	// SentinelUsername and SentinelPassword are for the sentinels themselves.
	Sentinel         string
	SentinelUsername string
	SentinelPassword string

	// Seeds are more addresses of the same cluster or sentinels, host:port, which are tried if
	// the first one does not answer.
	Seeds []string

	// ClientName is shown in CLIENT LIST.
	ClientName string

	// Timeout limits connecting, 5 s by default. If a call waits and the server sends nothing
	// for twice that time, the connection is closed.
	Timeout time.Duration

	// MaxInFlightBytes limits the memory of all running requests to the server, 256 MiB by
	// default. A call that would exceed it is ErrUnavailable.
	MaxInFlightBytes int64

	// MaxCallKeys limits the number of keys of one atomic call, 100,000 by default, because
	// the server executes nothing else meanwhile. A call with more keys is ErrTooLarge.
	MaxCallKeys int
}

// Configure sets how the stores of a server are opened by this host and by its scripts, which
// cannot give settings themselves. addr is the address in the URLs: host:port, a host with the
// default port 6379, or the path of a socket. Settings in the host's own URL take precedence.
// Open stores keep their settings. Configure is safe for concurrent use.
func Configure(addr string, o Options) {
	addr = normalized(addr)
	seeds := make([]string, len(o.Seeds))
	for i, seed := range o.Seeds {
		seeds[i] = normalized(seed)
	}
	configuration.Lock()
	defer configuration.Unlock()
	if configuration.of == nil {
		configuration.of = map[string]settings{}
	}
	configuration.of[addr] = settings{
		username: o.Username, password: o.Password, ca: o.CA, cert: o.ClientCert, key: o.ClientKey,
		sentinel: o.Sentinel, sentinelUser: o.SentinelUsername, sentinelPassword: o.SentinelPassword,
		seeds: strings.Join(seeds, ","), clientName: o.ClientName, timeout: o.Timeout,
		maxInFlight: o.MaxInFlightBytes, maxCallKeys: o.MaxCallKeys,
	}
}

// normalized is an address as place has it.
func normalized(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return addr
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = strings.Trim(addr, "[]"), ""
	}
	return address(host, port)
}

var configuration struct {
	sync.Mutex
	of map[string]settings // by address
}

// settings are what only a host chooses. They are compared.
type settings struct {
	username, password string
	ca, cert, key      string

	sentinel, sentinelUser, sentinelPassword string

	seeds       string // addresses, with commas between
	clientName  string
	timeout     time.Duration
	maxInFlight int64
	maxCallKeys int
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
	case "cert":
		s.cert = value
	case "key":
		s.key = value
	case "sentinel":
		s.sentinel = value
	case "sentineluser":
		s.sentinelUser = value
	case "sentinelpassword":
		s.sentinelPassword = value
	case "seeds":
		seeds := strings.Split(value, ",")
		for i := range seeds {
			seeds[i] = normalized(seeds[i])
		}
		s.seeds = strings.Join(seeds, ",")
	case "client":
		s.clientName = value
	case "timeout":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return invalid("timeout must be a duration such as 5s")
		}
		s.timeout = d
	case "callkeys":
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 {
			return invalid("callkeys must be a number of keys such as 100000")
		}
		s.maxCallKeys = n
	default:
		return invalid("the URL's setting %.40q is unknown; use ca, cert, key, sentinel, sentineluser, sentinelpassword, seeds, client, timeout or callkeys", key)
	}
	return nil
}

// addresses returns where to begin.
func (id *identity) addresses() []string {
	list := []string{id.address}
	if id.seeds != "" {
		list = append(list, strings.Split(id.seeds, ",")...)
	}
	return list
}

func (s *settings) dialTimeout() time.Duration { return cmp.Or(max(s.timeout, 0), dialTimeout) }
func (s *settings) silence() time.Duration     { return cmp.Or(2*max(s.timeout, 0), silence) }
func (s *settings) inFlight() int64            { return cmp.Or(max(s.maxInFlight, 0), defaultInFlightBytes) }
func (s *settings) callKeys() int              { return cmp.Or(max(s.maxCallKeys, 0), defaultCallKeys) }

// tlsConfig returns how the server and the client authenticate themselves.
func (id *identity) tlsConfig() (*tls.Config, error) {
	if !id.tls {
		return nil, invalid("ca, cert and key need the scheme rediss or valkeys")
	}
	host, _, _ := net.SplitHostPort(id.address)
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if id.ca != "" {
		pem, err := os.ReadFile(id.ca)
		if err != nil {
			return nil, invalid("the file that ca names cannot be read; check its path and permissions")
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, invalid("ca must be the path of a PEM file with certificates")
		}
	}
	if id.cert != "" || id.key != "" {
		pair, err := tls.LoadX509KeyPair(id.cert, id.key)
		if err != nil {
			return nil, invalid("cert and key must be the paths of PEM files with a certificate and its key; they cannot be read or do not match")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// settingsForScripts returns the settings that the host configured for a server, or else the
// settings of the client that the host has open for it. Without either there are none.
func settingsForScripts(at place) (settings, error) {
	configuration.Lock()
	set, known := configuration.of[at.address]
	configuration.Unlock()
	if known {
		if set.ca != "" && !at.tls {
			return set, notAllowed("the server can only be reached over TLS; write rediss:// or valkeys://")
		}
		return set, nil
	}
	servers.Lock()
	defer servers.Unlock()
	for id, s := range servers.open {
		switch {
		case !s.byHost || id.place != at || known && id.settings == set:
		case known:
			return settings{}, notAllowed("the host uses the server with several settings; call redisstore.Configure in the host to choose those for scripts")
		default:
			set, known = id.settings, true
		}
	}
	return set, nil
}
