package main

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type outcome struct {
	result types.AnyType
	fault  types.BaseMethodFault
	text   string // for a person, as an ESX says it
}

type entity types.ManagedObjectReference

func (e entity) Reference() types.ManagedObjectReference { return types.ManagedObjectReference(e) }

// run does the work of a task in the background, as an ESX does; the simulator's own tasks are done before the call is.
func run(on types.ManagedObjectReference, method string, work func() outcome) types.ManagedObjectReference {
	task := simulator.CreateTask(entity(on), method, nil)
	update := func(changes ...types.PropertyChange) {
		simulator.Map.WithLock(task, func() { simulator.Map.Update(task, changes) })
	}
	update(types.PropertyChange{Name: "info.startTime", Val: time.Now()},
		types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateRunning})
	go func() {
		var end outcome
		if fault := armed(method); fault != nil {
			end = outcome{fault: fault, text: faultName(fault)}
		} else {
			end = work()
		}
		state, failure := types.TaskInfoStateSuccess, interface{}(nil)
		if end.fault != nil {
			if end.text == "" {
				end.text = faultName(end.fault)
			}
			state, failure = types.TaskInfoStateError, types.LocalizedMethodFault{Fault: end.fault, LocalizedMessage: end.text}
		}
		save()
		update(types.PropertyChange{Name: "info.completeTime", Val: time.Now()}, types.PropertyChange{Name: "info.result", Val: end.result},
			types.PropertyChange{Name: "info.error", Val: failure}, types.PropertyChange{Name: "info.state", Val: state})
	}()
	return task.Self
}

// inner calls a method of the simulator's own object; what came of it, and of the task that it made.
func inner(ctx *simulator.Context, on mo.Reference, call func() soap.HasFault) (end outcome) {
	self := on.Reference()
	copied := *ctx
	copied.Caller = &self
	*ctx = copied // the simulator does not lock the caller, whom we hold
	simulator.Map.WithLock(on, func() {
		res := call()
		if fault := res.Fault(); fault != nil {
			end.fault, _ = fault.VimFault().(types.BaseMethodFault)
			end.text = fault.String
			return
		}
		ref := madeTask(res)
		if ref == nil {
			return
		}
		task := simulator.Map.Get(*ref).(*simulator.Task)
		end.result = task.Info.Result
		if task.Info.Error != nil {
			end.fault = task.Info.Error.Fault
		}
		manager := simulator.Map.Get(*content().TaskManager).(*simulator.TaskManager)
		simulator.RemoveReference(&manager.RecentTask, *ref) // a call has one task to be seen: ours
	})
	return end
}

func madeTask(res soap.HasFault) *types.ManagedObjectReference {
	switch body := res.(type) {
	case *methods.PowerOnVM_TaskBody:
		return &body.Res.Returnval
	case *methods.PowerOffVM_TaskBody:
		return &body.Res.Returnval
	case *methods.ReconfigVM_TaskBody:
		return &body.Res.Returnval
	case *methods.Destroy_TaskBody:
		return &body.Res.Returnval
	case *methods.Rename_TaskBody:
		return &body.Res.Returnval
	case *methods.CreateVM_TaskBody:
		return &body.Res.Returnval
	case *methods.RegisterVM_TaskBody:
		return &body.Res.Returnval
	case *methods.CreateSnapshot_TaskBody:
		return &body.Res.Returnval
	case *methods.RemoveSnapshot_TaskBody:
		return &body.Res.Returnval
	case *methods.RevertToSnapshot_TaskBody:
		return &body.Res.Returnval
	case *methods.RevertToCurrentSnapshot_TaskBody:
		return &body.Res.Returnval
	case *methods.RemoveAllSnapshots_TaskBody:
		return &body.Res.Returnval
	case *methods.SearchDatastore_TaskBody:
		return &body.Res.Returnval
	case *methods.CreateVirtualDisk_TaskBody:
		return &body.Res.Returnval
	}
	panic(fmt.Sprintf("no task known in %T", res))
}

func content() types.ServiceContent {
	ref := types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}
	return simulator.Map.Get(ref).(*simulator.ServiceInstance).Content
}

func refused(text string, fault types.BaseMethodFault) *soap.Fault {
	return simulator.Fault(text, fault)
}
