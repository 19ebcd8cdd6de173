package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// The switches by which a test makes trouble, under /lab/.
var switches struct {
	sync.Mutex
	sessions map[string]bool   // cookie -> expired
	faults   map[string]string // method -> fault of its next call
	cut      int64             // bytes of uploads after which the lease is lost; 0 never
	calls    []string          // calls that change something, in their order
	hold     int               // the call, counted from 1, that never comes to an end; 0 none
	after    bool              // hold it once it is done, not before
	held     bool
}

// Calls that only look, or that belong to the connection: no state of the hypervisor is another after them.
var looks = []string{"RetrieveServiceContent", "Login", "Logout", "CurrentTime", "FindByUuid", "FindByInventoryPath", "FindByIp", "FindByDnsName",
	"CreateContainerView", "DestroyView", "CreateFilter", "DestroyPropertyFilter", "DestroyPropertyCollector", "CreatePropertyCollector",
	"CreateImportSpec", "CreateDescriptor", "ParseDescriptor", "HttpNfcLeaseProgress", "HttpNfcLeaseGetManifest", "SearchDatastore_Task",
	"SearchDatastoreSubFolders_Task", "QueryVirtualDiskUuid", "CancelWaitForUpdates", "Fetch", "SessionIsActive"}

func changes(method string) bool {
	for _, start := range []string{"Retrieve", "Wait", "Check", "Query"} {
		if strings.HasPrefix(method, start) {
			return false
		}
	}
	return !has(looks, method)
}

func serveSwitches(w http.ResponseWriter, r *http.Request) {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(r.FormValue(name), 10, 64)
		return n
	}
	switches.Lock()
	defer switches.Unlock()
	switch strings.TrimPrefix(r.URL.Path, "/lab/") {
	case "expire":
		for cookie := range switches.sessions {
			switches.sessions[cookie] = true
		}
	case "fail":
		if switches.faults == nil {
			switches.faults = map[string]string{}
		}
		switches.faults[r.FormValue("method")] = r.FormValue("fault")
	case "cut":
		switches.cut = number("bytes")
	case "hold":
		switches.calls, switches.held = nil, false
		switches.hold, switches.after = int(number("call")), r.FormValue("when") == "after"
	case "tools":
		go setToolsNamed(r.FormValue("machine"), r.FormValue("address"))
	case "calls":
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]interface{}{"calls": switches.calls, "held": switches.held, "leases": openLeases()})
}

// held counts a call that changes something. It may have to wait until its caller is gone: before it is done, or after.
func held(method string) (wait, done bool) {
	if !changes(method) {
		return false, false
	}
	switches.Lock()
	defer switches.Unlock()
	switches.calls = append(switches.calls, method)
	wait = switches.hold == len(switches.calls)
	switches.held = switches.held || wait
	return wait, switches.after
}

func rememberSession(header http.Header) {
	for _, cookie := range (&http.Response{Header: header}).Cookies() {
		if cookie.Name == soap.SessionCookieName {
			switches.Lock()
			if switches.sessions == nil {
				switches.sessions = map[string]bool{}
			}
			switches.sessions[cookie.Value] = false
			switches.Unlock()
		}
	}
}

// dropExpired takes the cookie of a session that was made to expire from a request.
func dropExpired(r *http.Request) {
	cookie, err := r.Cookie(soap.SessionCookieName)
	if err != nil {
		return
	}
	switches.Lock()
	defer switches.Unlock()
	if switches.sessions[cookie.Value] {
		r.Header.Del("Cookie")
	}
}

// armed takes the fault that the next call of a method is to end with; nil if there is none.
func armed(method string) types.BaseMethodFault {
	switches.Lock()
	defer switches.Unlock()
	name := switches.faults[method]
	delete(switches.faults, method)
	if name == "" {
		return nil
	}
	kind, ok := types.TypeFunc()(name)
	if !ok {
		return &types.SystemError{Reason: name}
	}
	fault, ok := reflect.New(kind).Interface().(types.BaseMethodFault)
	if !ok {
		return &types.SystemError{Reason: name}
	}
	return fault
}

func faultName(fault types.BaseMethodFault) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", fault), "*types.")
}

func answerFault(w http.ResponseWriter, fault types.BaseMethodFault) {
	name := faultName(fault)
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, `%s<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`+
		`<soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring><detail>`+
		`<%sFault xmlns="urn:vim25" xsi:type="%s"></%sFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>`,
		xml.Header, name, name, name, name)
}
