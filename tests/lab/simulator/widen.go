package main

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// widen puts our objects beside those of the simulator.
func widen() {
	simulator.Map.AddHandler(&registry{})
	for _, pool := range simulator.Map.All("ResourcePool") {
		simulator.Map.Put(&LabPool{ResourcePool: pool.(*simulator.ResourcePool)})
	}
	for _, each := range simulator.Map.All("Folder") {
		simulator.Map.Put(&LabFolder{Folder: each.(*simulator.Folder)})
	}
	for _, each := range simulator.Map.All("Datastore") {
		browser := each.(*simulator.Datastore).Browser
		simulator.Map.Put(&LabBrowser{HostDatastoreBrowser: simulator.Map.Get(browser).(*simulator.HostDatastoreBrowser)})
	}
	simulator.Map.Put(&LabEvents{EventManager: simulator.Map.EventManager()})
	simulator.Map.Put(&LabOvf{OvfManager: simulator.Map.Get(*content().OvfManager).(*simulator.OvfManager)})
	simulator.Map.Put(&LabDisks{VirtualDiskManager: simulator.Map.VirtualDiskManager().(*simulator.VirtualDiskManager)})
}

// registry sees what comes into the simulator's registry and what leaves it.
type registry struct{ mo.SessionManager }

func (r *registry) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabRegistry", Value: "lab-registry"}
}

// Of a task, clients expect entities alone; the simulator names disks, files and snapshots too.
var entities = []string{"VirtualMachine", "HostSystem", "Folder", "Datacenter", "ResourcePool", "ComputeResource", "Datastore", "Network"}

func (r *registry) PutObject(object mo.Reference) {
	switch added := object.(type) {
	case *simulator.VirtualMachine:
		simulator.Map.Put(&LabMachine{VirtualMachine: added, guest: &guest{}})
	case *simulator.VirtualMachineSnapshot:
		simulator.Map.Put(&LabSnapshot{VirtualMachineSnapshot: added})
	case *simulator.ResourcePool:
		simulator.Map.Put(&LabPool{ResourcePool: added})
	case *simulator.Folder:
		simulator.Map.Put(&LabFolder{Folder: added})
	case *simulator.Task:
		if about := added.Info.Entity; about != nil && !has(entities, about.Type) {
			added.Info.Entity = nil
		}
	}
}

func (r *registry) UpdateObject(mo.Reference, []types.PropertyChange) {}

func (r *registry) RemoveObject(ref types.ManagedObjectReference) {
	if ref.Type == "VirtualMachine" {
		if machine := machineOf(ref); machine != nil {
			machine.guest.stop()
			forget(ref)
			simulator.Map.Remove(machine.Reference())
		}
	}
}

// LabEvents answers QueryEvents, which the simulator refuses where it is an ESX.
type LabEvents struct {
	Pad mo.SessionManager
	*simulator.EventManager
}

func (e *LabEvents) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabEvents", Value: e.Self.Value}
}

func (e *LabEvents) QueryEvents(ctx *simulator.Context, req *types.QueryEvents) soap.HasFault {
	body, self := &methods.QueryEventsBody{}, e.Self
	ctx.Caller = &self
	simulator.Map.WithLock(e.EventManager, func() {
		res := e.EventManager.CreateCollectorForEvents(ctx, &types.CreateCollectorForEvents{This: self, Filter: req.Filter})
		if body.Fault_ = res.Fault(); body.Fault_ != nil {
			return
		}
		made := ctx.Session.Get(res.(*methods.CreateCollectorForEventsBody).Res.Returnval).(*simulator.EventHistoryCollector)
		body.Res = &types.QueryEventsResponse{Returnval: made.GetLatestPage()}
		made.DestroyCollector(ctx, &types.DestroyCollector{This: made.Self})
	})
	return body
}

// LabFolder refuses a name that is taken.
type LabFolder struct {
	Pad mo.SessionManager
	*simulator.Folder
}

func (f *LabFolder) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabFolder", Value: f.Self.Value}
}

// duplicate tells who has a name: anywhere on an ESX, in the same folder of a vCenter.
func duplicate(name string, folder *types.ManagedObjectReference) *types.DuplicateName {
	for _, each := range simulator.Map.All("VirtualMachine") {
		elsewhere := *vcenter && folder != nil && *each.Entity().Parent != *folder
		if each.Entity().Name == name && !elsewhere {
			return &types.DuplicateName{Name: name, Object: each.Reference()}
		}
	}
	return nil
}

func nameTaken(name string) string { return "The name '" + name + "' already exists." }

func (f *LabFolder) CreateVMTask(ctx *simulator.Context, req *types.CreateVM_Task) soap.HasFault {
	ref := run(f.Self, "CreateVM_Task", func() outcome {
		if taken := duplicate(req.Config.Name, &f.Self); taken != nil {
			return outcome{fault: taken, text: nameTaken(req.Config.Name)}
		}
		end := inner(ctx, f.Folder, func() soap.HasFault { return f.Folder.CreateVMTask(ctx, req) })
		if made, ok := end.result.(types.ManagedObjectReference); ok && end.fault == nil {
			shape(machineOf(made).disks())
		}
		return end
	})
	return &methods.CreateVM_TaskBody{Res: &types.CreateVM_TaskResponse{Returnval: ref}}
}

// LabOvf gives faults where the simulator's reader of OVF falls over.
type LabOvf struct {
	Pad mo.SessionManager
	*simulator.OvfManager
}

func (o *LabOvf) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabOvf", Value: o.Self.Value}
}

func badPackage(text string) []types.LocalizedMethodFault {
	return []types.LocalizedMethodFault{{Fault: &types.OvfInvalidPackage{LineNumber: 1}, LocalizedMessage: text}}
}

func (o *LabOvf) CreateImportSpec(ctx *simulator.Context, req *types.CreateImportSpec) (res soap.HasFault) {
	bad := func(text string) soap.HasFault {
		return &methods.CreateImportSpecBody{Res: &types.CreateImportSpecResponse{Returnval: types.OvfCreateImportSpecResult{Error: badPackage(text)}}}
	}
	envelope, err := ovf.Unmarshal(strings.NewReader(req.OvfDescriptor))
	if err != nil {
		return bad("Line 1: " + err.Error())
	}
	if envelope.VirtualSystem == nil || len(envelope.VirtualSystem.VirtualHardware) == 0 {
		return bad("Missing child element 'VirtualSystem'.")
	}
	defer func() {
		if trouble := recover(); trouble != nil {
			res = bad(fmt.Sprint(trouble))
		}
	}()
	return o.OvfManager.CreateImportSpec(ctx, req)
}

func (o *LabOvf) ParseDescriptor(_ *simulator.Context, req *types.ParseDescriptor) soap.HasFault {
	body := &methods.ParseDescriptorBody{Res: &types.ParseDescriptorResponse{}}
	result := &body.Res.Returnval
	envelope, err := ovf.Unmarshal(strings.NewReader(req.OvfDescriptor))
	if err != nil || envelope.VirtualSystem == nil {
		result.Error = badPackage(fmt.Sprint("invalid OVF: ", err))
		return body
	}
	result.DefaultEntityName = envelope.VirtualSystem.ID
	if envelope.Network != nil {
		for _, network := range envelope.Network.Networks {
			result.Network = append(result.Network, types.OvfNetworkInfo{Name: network.Name, Description: network.Description})
		}
	}
	for _, file := range envelope.References {
		result.ApproximateDownloadSize += int64(file.Size)
	}
	return body
}
