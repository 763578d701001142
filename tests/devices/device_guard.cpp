// What the CPU build of PyTorch lacks for tensors that say that they are on a GPU: a guard
// of CUDA devices that does nothing, and hooks that say that there is one GPU.
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstring>
#include <new>

namespace at {
using c10::Device;
using c10::DeviceType;
using c10::Stream;

struct StandInGuard final : public c10::impl::NoOpDeviceGuardImpl<DeviceType::CUDA> {
  Device exchangeDevice(Device) const override { return getDevice(); }
  Device getDevice() const override { return Device(DeviceType::CUDA, 0); }
  Stream getStream(Device) const noexcept override {
    return Stream(Stream::DEFAULT, getDevice());
  }
  Stream exchangeStream(Stream) const noexcept override {
    return Stream(Stream::DEFAULT, getDevice());
  }
};
C10_REGISTER_GUARD_IMPL(CUDA, StandInGuard)

struct StandInHooks final : public CUDAHooksInterface {
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex current_device() const override { return 0; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  int getNumGPUs() const override { return 1; }
};
} // namespace at

// PyTorch makes its hooks once, when it is imported: these take their place, byte by byte,
// and give it back.
extern "C" void pretend_cuda(bool whether) {
  static_assert(sizeof(at::StandInHooks) == sizeof(at::CUDAHooksInterface));
  static char before[sizeof(at::CUDAHooksInterface)];
  static bool pretending = false;
  auto* hooks = const_cast<at::CUDAHooksInterface*>(&at::detail::getCUDAHooks());
  if (whether && !pretending) {
    std::memcpy(before, hooks, sizeof(before));
    new (hooks) at::StandInHooks();
  } else if (!whether && pretending) {
    std::memcpy(static_cast<void*>(hooks), before, sizeof(before));
  }
  pretending = whether;
}
