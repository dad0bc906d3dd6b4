/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/hv.h"

extern const struct hypervisor hypervisor_libvirt;

const struct hypervisor *const hypervisors[] = {&hypervisor_libvirt, NULL};
