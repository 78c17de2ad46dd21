# A kernel with cgroups such as this machine may not have.
$(BUILD)/tests/unit_cli_cgroup: LINK += -Wl,--wrap=mkdir,--wrap=rmdir,--wrap=write,--wrap=getxattr
