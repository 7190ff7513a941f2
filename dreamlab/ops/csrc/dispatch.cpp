// Which instruction set's kernels run: asked of the CPU once.

#include <atomic>
#include <cstring>

#include "kernels.h"

namespace {

const Kernels* best() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return &kAvx512Kernels;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &kAvx2Kernels;
#endif
  return &kBaseKernels;
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

const Kernels& kernels() {
  const Kernels* k = chosen.load(std::memory_order_acquire);
  if (!k) {
    k = best();
    chosen.store(k, std::memory_order_release);
  }
  return *k;
}

extern "C" {

const char* dl_isa() { return kernels().name; }

// For tests: run a lesser instruction set's kernels. Returns 1 if this CPU lacks it or the name is unknown.
int dl_set_isa(const char* name) {
  const Kernels* top = best();
  const Kernels* all[] = {
      &kBaseKernels,
#if defined(__x86_64__)
      &kAvx2Kernels,
      &kAvx512Kernels,
#endif
  };
  for (const Kernels* k : all) {
    if (std::strcmp(k->name, name) == 0) {
      chosen.store(k, std::memory_order_release);
      return 0;
    }
    if (k == top) break;
  }
  return 1;
}

}  // extern "C"
