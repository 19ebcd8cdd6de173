package main

func save()              {}
func recall()            {}
func forget(*LabMachine) {}
