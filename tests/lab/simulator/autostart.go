package main

import (
	"log"
	"sort"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// LabAutostart is the manager of a host that gives machines power after a power cut; the simulator has none.
type LabAutostart struct {
	mo.HostAutoStartManager
}

var managers []*LabAutostart

// autostarts gives each host its manager. Autostart is off, as on an ESX that was just installed.
func autostarts() {
	for _, host := range hostSystems() {
		manager := &LabAutostart{}
		manager.Self = types.ManagedObjectReference{Type: "HostAutoStartManager", Value: "autostart-" + host.Self.Value}
		manager.Config.Defaults = &types.AutoStartDefaults{Enabled: types.NewBool(false), StartDelay: 120, StopDelay: 120,
			WaitForHeartbeat: types.NewBool(false), StopAction: "powerOff"}
		host.ConfigManager.AutoStartManager = &manager.Self
		simulator.Map.Put(manager)
		managers = append(managers, manager)
	}
}

// ReconfigureAutostart merges what comes, as an ESX does: entries of other machines stay. Two machines never have the
// same place here, which may be stricter than an ESX is.
func (a *LabAutostart) ReconfigureAutostart(_ *simulator.Context, req *types.ReconfigureAutostart) soap.HasFault {
	invalid := func(property string) soap.HasFault {
		return &methods.ReconfigureAutostartBody{Fault_: refused("A specified parameter was not correct.", &types.InvalidArgument{InvalidProperty: property})}
	}
	merged := map[types.ManagedObjectReference]types.AutoStartPowerInfo{}
	for _, entry := range a.Config.PowerInfo {
		merged[entry.Key] = entry
	}
	for _, entry := range req.Spec.PowerInfo {
		if machineOf(entry.Key) == nil {
			return invalid("powerInfo.key")
		}
		merged[entry.Key] = entry
		if entry.StartAction == "none" {
			delete(merged, entry.Key)
		}
	}
	taken, entries := map[int32]bool{}, []types.AutoStartPowerInfo{}
	for _, entry := range merged {
		if entry.StartOrder > 0 && taken[entry.StartOrder] {
			return invalid("powerInfo.startOrder")
		}
		taken[entry.StartOrder] = true
		entries = append(entries, entry)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].StartOrder < entries[j].StartOrder })
	defaults := *a.Config.Defaults
	if given := req.Spec.Defaults; given != nil && given.Enabled != nil {
		defaults.Enabled = given.Enabled
	}
	config := types.HostAutoStartManagerConfig{Defaults: &defaults, PowerInfo: entries}
	simulator.Map.Update(a, []types.PropertyChange{{Name: "config", Val: config}})
	save()
	return &methods.ReconfigureAutostartBody{Res: &types.ReconfigureAutostartResponse{}}
}

// forget drops the entries of a machine that is no more.
func forget(machine types.ManagedObjectReference) {
	for _, manager := range managers {
		var kept []types.AutoStartPowerInfo
		for _, entry := range manager.Config.PowerInfo {
			if entry.Key != machine {
				kept = append(kept, entry)
			}
		}
		manager.Config.PowerInfo = kept
	}
}

// autostart outlives the simulator: the machine by its file, for its reference is another one then.
type autostart struct {
	Manager types.ManagedObjectReference
	Enabled bool
	Path    []string
	Entry   []types.AutoStartPowerInfo
}

func (a *LabAutostart) remembered() autostart {
	kept := autostart{Manager: a.Self, Enabled: *a.Config.Defaults.Enabled}
	for _, entry := range a.Config.PowerInfo {
		if machine := machineOf(entry.Key); machine != nil {
			kept.Path, kept.Entry = append(kept.Path, machine.Config.Files.VmPathName), append(kept.Entry, entry)
		}
	}
	return kept
}

// comeBack restores what was configured, and gives machines power as an ESX does when its own power is back.
func comeBack(all []autostart) {
	paths := map[string]types.ManagedObjectReference{}
	for _, each := range simulator.Map.All("VirtualMachine") {
		paths[each.(*simulator.VirtualMachine).Config.Files.VmPathName] = each.Reference()
	}
	for _, before := range all {
		manager := simulator.Map.Get(before.Manager).(*LabAutostart)
		manager.Config.Defaults.Enabled = types.NewBool(before.Enabled)
		for i, entry := range before.Entry {
			if machine, ok := paths[before.Path[i]]; ok {
				entry.Key = machine
				manager.Config.PowerInfo = append(manager.Config.PowerInfo, entry)
			}
		}
		if !before.Enabled {
			continue
		}
		for _, entry := range manager.Config.PowerInfo {
			machine := machineOf(entry.Key)
			log.Printf("autostart of %s", machine.Name)
			machine.PowerOnVMTask(caller(), &types.PowerOnVM_Task{This: entry.Key})
			for i := 0; i < 100 && !machine.on(); i++ {
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
}
