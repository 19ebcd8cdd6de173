package main

import (
	"context"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// capacity of each datastore in bytes, by its name.
var capacity = map[string]int64{}

// inventory makes hosts, datastores and networks as the flags say.
func inventory() *simulator.Model {
	model := simulator.ESX()
	if *vcenter {
		model = simulator.VPX()
		model.Datacenter, model.Host, model.Portgroup = *centers, *hosts, *portgroups
		model.Cluster, model.ClusterHost, model.Pool = *clusters, 2, 1
	}
	model.Machine, model.Datastore = 0, 0
	about := &model.ServiceContent.About
	about.ApiVersion, about.Version = *version, strings.Join(strings.SplitN(*version, ".", 4)[:3], ".")
	if !*vcenter {
		about.FullName = "VMware ESXi " + about.Version + " build-" + about.Build
	}
	check(model.Create())
	for _, entity := range simulator.Map.All("DistributedVirtualPortgroup") {
		if group := entity.(*simulator.DistributedVirtualPortgroup); strings.Contains(group.Name, "-DVUplinks-") {
			group.Tag = []types.Tag{{Key: "SYSTEM/DVS.UPLINKPG"}}
		}
	}
	if len(datastores) == 0 {
		datastores = several{"datastore1=1099511627776"}
	}
	for _, text := range datastores {
		parts := strings.Split(text, "=")
		if len(parts) != 2 && len(parts) != 3 {
			log.Fatalf("a datastore is NAME=BYTES or NAME=BYTES=HOST, not %q", text)
		}
		size, err := strconv.ParseInt(parts[1], 10, 64)
		check(err)
		addDatastore(parts[0], size, strings.Join(parts[2:], ""))
	}
	for _, name := range networks {
		addNetwork(name)
	}
	return model
}

// caller is who the simulator's own methods are called as when no client asked.
func caller() *simulator.Context {
	session := &simulator.Session{
		UserSession: types.UserSession{Key: uuid.New().String()},
		Registry:    simulator.NewRegistry(),
	}
	return &simulator.Context{Context: context.Background(), Session: session, Map: simulator.Map}
}

func place(datastore string) string {
	root, err := filepath.Abs(filepath.Join(*folder, "datastores", datastore))
	check(err)
	return root
}

func hostSystems() []*simulator.HostSystem {
	var all []*simulator.HostSystem
	for _, entity := range simulator.Map.All("HostSystem") {
		all = append(all, entity.(*simulator.HostSystem))
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Self.Value < all[j].Self.Value })
	return all
}

// compute is what holds a host: its networks and datastores are listed there too.
func compute(host *simulator.HostSystem) *mo.ComputeResource {
	switch parent := simulator.Map.Get(*host.Parent).(type) {
	case *mo.ComputeResource:
		return parent
	case *simulator.ClusterComputeResource:
		return &parent.ComputeResource
	}
	return nil
}

// addDatastore makes one that all hosts see, or only that of the name.
func addDatastore(name string, size int64, only string) {
	check(os.MkdirAll(place(name), 0o700))
	capacity[name] = size
	for _, host := range hostSystems() {
		if only != "" && host.Name != only {
			continue
		}
		system := simulator.Map.Get(*host.ConfigManager.DatastoreSystem).(*simulator.HostDatastoreSystem)
		res := system.CreateLocalDatastore(caller(), &types.CreateLocalDatastore{This: system.Self, Name: name, Path: place(name)})
		if res.Fault() != nil {
			log.Fatal(res.Fault().String)
		}
	}
	measureAll()
}

// addNetwork makes a port group that all hosts have; one of each datacenter.
func addNetwork(name string) {
	for _, host := range hostSystems() {
		network := networkNamed(name, host)
		if network == nil {
			system := simulator.Map.Get(*host.ConfigManager.NetworkSystem).(*simulator.HostNetworkSystem)
			res := system.AddPortGroup(caller(), &types.AddPortGroup{This: system.Self, Portgrp: types.HostPortGroupSpec{Name: name, VswitchName: "vSwitch0"}})
			if res.Fault() != nil {
				log.Fatal(res.Fault().String)
			}
			network = networkNamed(name, host)
		}
		host.Network = append(host.Network, *network)
		if parent := compute(host); simulator.FindReference(parent.Network, *network) == nil {
			parent.Network = append(parent.Network, *network)
		}
	}
}

// networkNamed is the network of that name in the datacenter of a host.
func networkNamed(name string, host *simulator.HostSystem) *types.ManagedObjectReference {
	var entity mo.Entity = host
	for {
		if center, ok := entity.(*simulator.Datacenter); ok {
			networks := simulator.Map.Get(center.NetworkFolder).(*simulator.Folder)
			if found := simulator.Map.FindByName(name, networks.ChildEntity); found != nil {
				ref := found.Reference()
				return &ref
			}
			return nil
		}
		entity = simulator.Map.Get(*entity.Entity().Parent).(mo.Entity)
	}
}

// measureAll brings the free space of each datastore up to date: its size less what its files really take.
func measureAll() {
	for _, entity := range simulator.Map.All("Datastore") {
		ds := entity.(*simulator.Datastore)
		free := capacity[ds.Name] - used(place(ds.Name))
		if free < 0 {
			free = 0
		}
		if ds.Summary.Capacity == capacity[ds.Name] && ds.Summary.FreeSpace == free {
			continue
		}
		simulator.Map.WithLock(ds, func() {
			info := ds.Info.GetDatastoreInfo()
			info.FreeSpace, info.MaxFileSize = free, free
			ds.Summary.Capacity, ds.Summary.FreeSpace = capacity[ds.Name], free
		})
	}
}

// used is how many bytes the files of a folder take on the disk; holes take none, and contained machines' roots count
// for nothing, for they have thousands of files and no ESX would have them.
func used(root string) int64 {
	total := int64(0)
	_ = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if entry.IsDir() {
			if strings.HasSuffix(name, ".qcow2.d") {
				return filepath.SkipDir
			}
			return nil
		}
		if info, err := entry.Info(); err == nil {
			total += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return total
}
