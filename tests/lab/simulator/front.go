package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// Methods that our own objects answer. The simulator's code asserts the concrete types of its objects, so ours lie
// beside them in the registry under another type, and the front renames the type of `_this` in the request.
var ours = map[string]struct {
	kind    string
	methods []string
}{
	"VirtualMachine": {"LabMachine", []string{"PowerOnVM_Task", "PowerOffVM_Task", "ResetVM_Task", "ShutdownGuest", "RebootGuest",
		"ReconfigVM_Task", "Rename_Task", "UnregisterVM", "Destroy_Task", "CreateSnapshot_Task", "ExportVm",
		"RevertToCurrentSnapshot_Task", "RemoveAllSnapshots_Task"}},
	"VirtualMachineSnapshot": {"LabSnapshot", []string{"RevertToSnapshot_Task", "RemoveSnapshot_Task"}},
	"ResourcePool":           {"LabPool", []string{"ImportVApp"}},
	"HostDatastoreBrowser":   {"LabBrowser", []string{"SearchDatastore_Task"}},
	"EventManager":           {"LabEvents", []string{"QueryEvents"}},
	"Folder":                 {"LabFolder", []string{"CreateVM_Task"}},
	"OvfManager":             {"LabOvf", []string{"CreateImportSpec", "ParseDescriptor"}},
	"VirtualDiskManager":     {"LabDisks", []string{"CreateVirtualDisk_Task", "ExtendVirtualDisk_Task"}},
}

var (
	bodyMethod = regexp.MustCompile(`Body[^>]*>\s*<(?:\w+:)?(\w+)`)
	bodyThis   = regexp.MustCompile(`<(?:\w+:)?_this[^>]*\btype="(\w+)"[^>]*>([^<]*)<`)
)

// serve starts answering; the address that it took.
func serve(model *simulator.Model, secret string) string {
	host, _, _ := strings.Cut(*listen, ":")
	pair := certificate(filepath.Join(*folder, "rui.crt"), filepath.Join(*folder, "rui.key"), host)
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	model.Service.Listen = &url.URL{Host: *listen, User: url.UserPassword(*user, secret)}
	server := model.Service.NewServer()
	server.Config.Handler = &front{next: server.Config.Handler, secret: secret}
	if *vcenter {
		serveHost()
	}
	return server.URL.Host
}

// transferHost is where a vCenter sends those who bring or fetch disks: an ESX of its own, with another certificate.
var transferHost = struct{ address, thumbprint string }{address: "*"}

func serveHost() {
	pair := certificate(filepath.Join(*folder, "host.crt"), filepath.Join(*folder, "host.key"), "127.0.0.3")
	listener, err := tls.Listen("tcp", "127.0.0.3:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	check(err)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	check(err)
	transferHost.address = listener.Addr().String()
	transferHost.thumbprint = soap.ThumbprintSHA1(leaf)
	if *forged {
		transferHost.thumbprint = strings.Repeat("00:", 19) + "00"
	}
	routes := http.NewServeMux()
	routes.HandleFunc("/nfc/", serveTransfer)
	go func() { log.Fatal(http.Serve(listener, routes)) }()
}

type front struct {
	next   http.Handler
	secret string
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/lab/"):
		serveSwitches(w, r)
	case strings.HasPrefix(r.URL.Path, "/nfc/"):
		serveTransfer(w, r)
	case strings.HasPrefix(r.URL.Path, "/folder"):
		f.serveFolder(w, r)
	case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/sdk"):
		f.serveCall(w, r)
	default:
		f.next.ServeHTTP(w, r)
	}
}

func (f *front) serveCall(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	method := ""
	if found := bodyMethod.FindSubmatch(body); found != nil {
		method = string(found[1])
	}
	dropExpired(r)
	if !ourTask(method) { // the fault of our own task is the task's
		if fault := armed(method); fault != nil {
			answerFault(w, fault)
			return
		}
	}
	wait, done := held(method)
	if wait && !done {
		<-r.Context().Done()
		return
	}
	if at := bodyThis.FindSubmatchIndex(body); at != nil {
		if changes(method) && leased(string(body[at[4]:at[5]])) {
			answerFault(w, &types.TaskInProgress{})
			return
		}
		_, stranger := r.Cookie(soap.SessionCookieName) // whom the simulator refuses, naming the object
		if own, ok := ours[string(body[at[2]:at[3]])]; ok && has(own.methods, method) && stranger == nil {
			body = bytes.Join([][]byte{body[:at[2]], []byte(own.kind), body[at[3]:]}, nil)
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if wait {
		f.next.ServeHTTP(httptest.NewRecorder(), r)
		<-r.Context().Done()
		return
	}
	if method == "Fetch" {
		defer nothing(w)
	}
	f.next.ServeHTTP(w, r)
	if method == "Login" {
		rememberSession(w.Header())
	}
}

// serveFolder guards the datastores' files, as the simulator does not: a session, or the password.
func (f *front) serveFolder(w http.ResponseWriter, r *http.Request) {
	dropExpired(r)
	_, err := r.Cookie(soap.SessionCookieName)
	name, secret, _ := r.BasicAuth()
	if err != nil && (name != *user || secret != f.secret) {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodDelete {
		file := filepath.Join(place(filepath.Base(r.URL.Query().Get("dsName"))), filepath.Clean("/"+strings.TrimPrefix(r.URL.Path, "/folder/")))
		if os.Remove(file) != nil {
			http.NotFound(w, r)
		}
		return
	}
	f.next.ServeHTTP(w, r)
}

func has(all []string, one string) bool {
	for _, each := range all {
		if each == one {
			return true
		}
	}
	return false
}

func ourTask(method string) bool {
	for _, own := range ours {
		if has(own.methods, method) {
			return strings.HasSuffix(method, "_Task")
		}
	}
	return false
}

// nothing answers for the simulator where it falls over a property that is not set.
func nothing(w http.ResponseWriter) {
	if trouble := recover(); trouble != nil {
		_, _ = io.WriteString(w, xml.Header+`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">`+
			`<soapenv:Body><FetchResponse xmlns="urn:vim25"></FetchResponse></soapenv:Body></soapenv:Envelope>`)
	}
}
