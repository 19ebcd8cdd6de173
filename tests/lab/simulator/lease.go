package main

import (
	"path"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// LabPool answers an import: the simulator's own throws the uploaded bytes away.
type LabPool struct {
	Pad mo.SessionManager
	*simulator.ResourcePool
}

func (p *LabPool) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabPool", Value: p.Self.Value}
}

// LabLease keeps what is uploaded, and goes through the states of a lease as an ESX does.
type LabLease struct {
	simulator.HttpNfcLease
	mutex  sync.Mutex
	files  map[string]string // target id -> file of the datastore
	sums   map[string]types.HttpNfcLeaseManifestEntry
	ended  bool
	export bool
	beat   time.Time
}

var leases sync.Map // id in the URL -> *LabLease

func (p *LabPool) ImportVApp(ctx *simulator.Context, req *types.ImportVApp) (res soap.HasFault) {
	if spec, ok := req.Spec.(*types.VirtualMachineImportSpec); ok {
		if taken := duplicate(spec.ConfigSpec.Name, req.Folder); taken != nil {
			return &methods.ImportVAppBody{Fault_: refused(nameTaken(spec.ConfigSpec.Name), taken)}
		}
	}
	self := p.Self
	ctx.Caller = &self
	simulator.Map.WithLock(p.ResourcePool, func() { res = p.ResourcePool.ImportVApp(ctx, req) })
	if res.Fault() == nil {
		imported := ctx.Session.Get(res.(*methods.ImportVAppBody).Res.Returnval).(*simulator.HttpNfcLease)
		open(ctx, &LabLease{HttpNfcLease: *imported})
	}
	return res
}

// open makes a lease known and ready after a moment.
func open(ctx *simulator.Context, lease *LabLease) {
	lease.files, lease.sums = map[string]string{}, map[string]types.HttpNfcLeaseManifestEntry{}
	lease.State, lease.beat = types.HttpNfcLeaseStateInitializing, time.Now()
	lease.Info.LeaseTimeout = int32(leaseTime.Seconds())
	for _, disk := range machineOf(lease.Info.Entity).disks() {
		var at object.DatastorePath
		at.FromString(diskFile(disk))
		lease.Info.TotalDiskCapacityInKB += disk.CapacityInKB
		lease.files[path.Base(at.Path)] = onDisk(diskFile(disk))
	}
	for i := range lease.Info.DeviceUrl {
		url := &lease.Info.DeviceUrl[i]
		url.Url = strings.Replace(url.Url, "https://*/", "https://"+transferHost.address+"/", 1)
		url.SslThumbprint = transferHost.thumbprint
	}
	ctx.Session.Put(lease)
	leases.Store(lease.Self.Value, lease)
	save()
	go func() {
		time.Sleep(100 * time.Millisecond)
		lease.become(types.HttpNfcLeaseStateReady, nil, "")
		for !lease.over() {
			if lease.silence() > *leaseTime {
				lease.lost(&types.Timedout{}, "Operation timed out.")
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
}

func (l *LabLease) silence() time.Duration {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return time.Since(l.beat)
}

// leased tells whether a lease holds a machine: nothing may change it then, as on an ESX.
func leased(machine string) (holds bool) {
	leases.Range(func(_, each interface{}) bool {
		holds = each.(*LabLease).Info.Entity.Value == machine
		return !holds
	})
	return holds
}

func openLeases() (count int) {
	leases.Range(func(_, _ interface{}) bool { count++; return true })
	return count
}

func (l *LabLease) become(state types.HttpNfcLeaseState, fault types.BaseMethodFault, text string) {
	changes := []types.PropertyChange{{Name: "state", Val: state}}
	if fault != nil {
		changes = append(changes, types.PropertyChange{Name: "error", Val: types.LocalizedMethodFault{Fault: fault, LocalizedMessage: text}})
	}
	simulator.Map.Update(l, changes)
}

func (l *LabLease) end() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.ended = true
	leases.Delete(l.Self.Value)
}

// lost ends a lease as an ESX ends one that it heard nothing of: the half machine goes with it.
func (l *LabLease) lost(fault types.BaseMethodFault, text string) {
	l.end()
	l.become(types.HttpNfcLeaseStateError, fault, text)
	if machine := machineOf(l.Info.Entity); machine != nil && !l.export {
		machine.destroy(caller())
	}
	save()
}

func (l *LabLease) over() bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.ended
}

func (l *LabLease) HttpNfcLeaseGetManifest(_ *simulator.Context, _ *types.HttpNfcLeaseGetManifest) soap.HasFault {
	res := &types.HttpNfcLeaseGetManifestResponse{}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, url := range l.Info.DeviceUrl {
		if sum, ok := l.sums[url.TargetId]; ok {
			sum.Key = url.Key
			res.Returnval = append(res.Returnval, sum)
		}
	}
	return &methods.HttpNfcLeaseGetManifestBody{Res: res}
}

func (l *LabLease) HttpNfcLeaseProgress(_ *simulator.Context, req *types.HttpNfcLeaseProgress) soap.HasFault {
	l.mutex.Lock()
	l.beat = time.Now()
	l.mutex.Unlock()
	simulator.Map.Update(l, []types.PropertyChange{{Name: "transferProgress", Val: req.Percent}})
	return &methods.HttpNfcLeaseProgressBody{Res: &types.HttpNfcLeaseProgressResponse{}}
}

func (l *LabLease) HttpNfcLeaseComplete(_ *simulator.Context, _ *types.HttpNfcLeaseComplete) soap.HasFault {
	if l.State != types.HttpNfcLeaseStateReady {
		return &methods.HttpNfcLeaseCompleteBody{Fault_: refused("The operation is not allowed in the current state.", &types.InvalidState{})}
	}
	l.end()
	l.become(types.HttpNfcLeaseStateDone, nil, "")
	save()
	return &methods.HttpNfcLeaseCompleteBody{Res: &types.HttpNfcLeaseCompleteResponse{}}
}

func (l *LabLease) HttpNfcLeaseAbort(_ *simulator.Context, req *types.HttpNfcLeaseAbort) soap.HasFault {
	var fault types.BaseMethodFault = &types.RequestCanceled{}
	if req.Fault != nil {
		fault = req.Fault.Fault
	}
	l.lost(fault, "The operation was aborted.")
	return &methods.HttpNfcLeaseAbortBody{Res: &types.HttpNfcLeaseAbortResponse{}}
}

// ExportVm gives a lease to read the disks of a machine without power.
func (m *LabMachine) ExportVm(ctx *simulator.Context, _ *types.ExportVm) soap.HasFault {
	if m.on() {
		wrong := m.wrongPower(types.VirtualMachinePowerStatePoweredOff)
		return &methods.ExportVmBody{Fault_: refused(wrong.text, wrong.fault)}
	}
	lease := &LabLease{HttpNfcLease: *simulator.NewHttpNfcLease(ctx, m.Self), export: true}
	lease.Info.Lease = lease.Self
	yes := true
	for i, disk := range m.disks() {
		var at object.DatastorePath
		at.FromString(diskFile(disk))
		name := path.Base(at.Path)
		lease.Info.DeviceUrl = append(lease.Info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key: diskKey(m.Self.Value, i), ImportKey: diskKey(m.Name, i), TargetId: name, Disk: &yes,
			Url: "https://*/nfc/" + lease.Self.Value + "/" + name})
	}
	open(ctx, lease)
	return &methods.ExportVmBody{Res: &types.ExportVmResponse{Returnval: lease.Self}}
}
