package main

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

func diskKey(machine string, index int) string {
	return fmt.Sprintf("/%s/VirtualDisk:%d", machine, index)
}

// serveTransfer moves the bytes of disks: the URL of the lease is all the right that it takes.
func serveTransfer(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	known, ok := leases.Load(parts[len(parts)-2])
	if !ok {
		http.NotFound(w, r)
		return
	}
	lease, name := known.(*LabLease), parts[len(parts)-1]
	file, ok := lease.files[name]
	switch {
	case !ok || lease.over():
		http.NotFound(w, r)
	case r.Method == http.MethodGet && lease.export:
		download(w, file)
	case (r.Method == http.MethodPost || r.Method == http.MethodPut) && !lease.export:
		if wait, done := held("upload"); wait {
			if done {
				_ = upload(lease, name, file, r)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		}
		if err := upload(lease, name, file, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusCreated)
	default:
		http.Error(w, "", http.StatusMethodNotAllowed)
	}
}

// upload keeps what comes; a fault ends the lease with it.
func upload(lease *LabLease, name, file string, r *http.Request) error {
	draft := file + ".upload"
	out, err := os.Create(draft)
	if err != nil {
		return err
	}
	defer os.Remove(draft)
	defer out.Close()
	short, long := sha1.New(), sha256.New()
	into, size := io.MultiWriter(out, short, long), int64(0)
	for err == nil {
		var count int64
		count, err = io.CopyN(into, r.Body, 1<<20)
		size += count
		if fault := trouble(lease, file, size); fault != nil {
			lease.lost(fault, faultName(fault))
			return fmt.Errorf("%s", faultName(fault))
		}
		time.Sleep(*transfer)
	}
	if err != io.EOF {
		return failed(lease, err)
	}
	if r.ContentLength >= 0 && size != r.ContentLength {
		return failed(lease, fmt.Errorf("%d bytes came of %d", size, r.ContentLength))
	}
	if !uploaded(draft) {
		return failed(lease, fmt.Errorf("not a stream-optimized VMDK"))
	}
	check(os.Rename(draft, file))
	_ = os.Remove(flat(file))
	entry := types.HttpNfcLeaseManifestEntry{Key: name, Sha1: hex.EncodeToString(short.Sum(nil)), Size: size, Disk: true,
		Checksum: hex.EncodeToString(long.Sum(nil)), ChecksumType: "sha256"}
	lease.mutex.Lock()
	lease.sums[name] = entry
	lease.mutex.Unlock()
	return nil
}

// failed marks the lease; whose bytes they were may still abort it.
func failed(lease *LabLease, err error) error {
	lease.become(types.HttpNfcLeaseStateError, &types.SystemError{Reason: err.Error()}, "Failed to transfer: "+err.Error())
	return err
}

// trouble is what ends an upload before its time.
func trouble(lease *LabLease, file string, size int64) types.BaseMethodFault {
	if lease.over() {
		return &types.RequestCanceled{}
	}
	switches.Lock()
	cut := switches.cut > 0 && size >= switches.cut
	if cut {
		switches.cut = 0
	}
	switches.Unlock()
	if cut {
		return &types.Timedout{}
	}
	for name, bytes := range capacity {
		if strings.HasPrefix(file, place(name)+"/") && used(place(name)) > bytes {
			return &types.NoDiskSpace{FileFault: types.FileFault{File: file}, Datastore: name}
		}
	}
	return nil
}

// download gives a disk as a stream-optimized VMDK, as an export does.
func download(w http.ResponseWriter, file string) {
	source, format := flat(file), "raw"
	if uploaded(file) {
		source, format = file, "vmdk"
		if _, err := os.Stat(overlay(file)); err == nil {
			source, format = overlay(file), "qcow2"
		}
	}
	out := file + ".export"
	defer os.Remove(out)
	text, err := exec.Command("qemu-img", "convert", "-f", format, "-O", "vmdk", "-o", "subformat=streamOptimized", source, out).CombinedOutput()
	if err != nil {
		http.Error(w, string(text), http.StatusInternalServerError)
		return
	}
	made, err := os.Open(out)
	check(err)
	defer made.Close()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	_, _ = io.Copy(w, made)
}
