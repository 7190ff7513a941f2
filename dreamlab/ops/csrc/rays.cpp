// C interface of marching and compositing.

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "parallel.h"

namespace {

constexpr int64_t kRaysAtOnce = 256;

int64_t blocks(int64_t rays) { return (rays + kRaysAtOnce - 1) / kRaysAtOnce; }
int64_t block_end(int64_t block, int64_t rays) {
  const int64_t end = (block + 1) * kRaysAtOnce;
  return end < rays ? end : rays;
}

// One bit a cell, eight bytes of 0 or 1 at a time.
std::vector<uint32_t> pack_bits(const uint8_t* occupancy, int64_t cells) {
  std::vector<uint32_t> words(static_cast<size_t>((cells + 31) / 32), 0u);
  for (int64_t i = 0; i < cells; i += 8) {
    uint64_t eight = 0;
    const int64_t n = cells - i < 8 ? cells - i : 8;
    for (int64_t k = 0; k < n; ++k) eight |= uint64_t{occupancy[i + k]} << (8 * k);
    // Gathers bit 0 of every byte into the top byte.
    words[static_cast<size_t>(i / 32)] |= static_cast<uint32_t>((eight * 0x0102040810204080ull) >> 56) << (i % 32);
  }
  return words;
}

// The smallest box around the occupied cells, in world units; false if there are none.
bool bounds(const uint8_t* occupancy, int grid, float* low, float* high) {
  int least[3] = {grid, grid, grid}, most[3] = {-1, -1, -1};
  for (int x = 0; x < grid; ++x)
    for (int y = 0; y < grid; ++y) {
      const uint8_t* row = occupancy + (int64_t{x} * grid + y) * grid;
      const void* found = std::memchr(row, 1, static_cast<size_t>(grid));
      if (!found) continue;
      const int first = static_cast<int>(static_cast<const uint8_t*>(found) - row);
      int last = grid - 1;
      while (!row[last]) --last;
      const int at[3] = {x, y, first}, to[3] = {x, y, last};
      for (int axis = 0; axis < 3; ++axis) {
        if (at[axis] < least[axis]) least[axis] = at[axis];
        if (to[axis] > most[axis]) most[axis] = to[axis];
      }
    }
  for (int axis = 0; axis < 3; ++axis) {
    low[axis] = 2.0f * static_cast<float>(least[axis]) / static_cast<float>(grid) - 1.0f;
    high[axis] = 2.0f * static_cast<float>(most[axis] + 1) / static_cast<float>(grid) - 1.0f;
  }
  return most[0] >= 0;
}

}  // namespace

extern "C" {

// Returns the number of samples, or -1 if a ray takes more steps than groups * 16 - 1. near [rays], masks [rays, groups]
// and counts [rays] are for dl_march_fill.
int64_t dl_march_find(const float* origins, const float* directions, const float* jitter, int64_t rays,
                      const uint8_t* occupancy, int64_t grid, float step, int64_t groups, float* near, uint16_t* masks,
                      int32_t* counts, int threads) {
  March m{origins, directions, jitter, nullptr, static_cast<int>(grid), step, {}, {}, groups};
  if (!bounds(occupancy, m.grid, m.low, m.high)) {
    // Nothing to find, but too small a step is still an error: one cell far away keeps the walk short.
    for (int axis = 0; axis < 3; ++axis) m.low[axis] = m.high[axis] = -1e30f;
  }
  const std::vector<uint32_t> words = pack_bits(occupancy, grid * grid * grid);
  m.occupied = words.data();
  parallel_for(blocks(rays), threads, [&](int64_t i, int) {
    kernels().march(m, i * kRaysAtOnce, block_end(i, rays), near, masks, counts);
  });
  int64_t total = 0;
  for (int64_t r = 0; r < rays; ++r) {
    if (counts[r] < 0) return -1;
    total += counts[r];
  }
  return total;
}

void dl_march_fill(const float* near, const float* jitter, const uint16_t* masks, const int32_t* counts, int64_t rays,
                   int64_t groups, float step, int64_t* ray_index, float* t0, float* t1, int threads) {
  std::vector<int64_t> start(static_cast<size_t>(rays) + 1, 0);
  for (int64_t r = 0; r < rays; ++r) start[static_cast<size_t>(r) + 1] = start[static_cast<size_t>(r)] + counts[r];
  const float half = step * 0.5f;
  parallel_for(blocks(rays), threads, [&](int64_t block, int) {
    for (int64_t r = block * kRaysAtOnce; r < block_end(block, rays); ++r) {
      int64_t s = start[static_cast<size_t>(r)];
      if (!counts[r]) continue;
      for (int64_t g = 0; g < groups; ++g)
        for (unsigned left = masks[r * groups + g]; left; left &= left - 1) {
          const float i = static_cast<float>(g * kStepGroup + __builtin_ctz(left));
          const float middle = near[r] + (i + jitter[r]) * step;
          ray_index[s] = r;
          t0[s] = middle - half;
          t1[s] = middle + half;
          ++s;
        }
    }
  });
}

void dl_sample_points(const float* origins, const float* directions, const int64_t* ray_index, const float* t0,
                      const float* t1, int64_t n, float* out, int threads) {
  constexpr int64_t kAtOnce = 4096;
  parallel_for((n + kAtOnce - 1) / kAtOnce, threads, [&](int64_t block, int) {
    const int64_t end = (block + 1) * kAtOnce < n ? (block + 1) * kAtOnce : n;
    for (int64_t s = block * kAtOnce; s < end; ++s) {
      const float* o = origins + ray_index[s] * 3;
      const float* d = directions + ray_index[s] * 3;
      const float t = (t0[s] + t1[s]) / 2.0f;
      for (int axis = 0; axis < 3; ++axis) out[s * 3 + axis] = o[axis] + t * d[axis];
    }
  });
}

// First sample of every ray, and n at the end: start [rays + 1]. Returns 0, or 1 if ray_index is not sorted within
// 0..rays-1.
int dl_ray_starts(const int64_t* ray_index, int64_t n, int64_t rays, int64_t* start) {
  int64_t ray = 0;
  start[0] = 0;
  for (int64_t s = 0; s < n; ++s) {
    const int64_t r = ray_index[s];
    if (r < ray || r >= rays) return 1;
    while (ray < r) start[++ray] = s;
  }
  while (ray < rays) start[++ray] = n;
  return 0;
}

void dl_composite(const float* sigma, const float* color, const float* t0, const float* t1, const int64_t* start,
                  int64_t rays, float* rgb, float* opacity, float* depth, float* weights, int threads) {
  const Packed packed{sigma, color, t0, t1};
  parallel_for(blocks(rays), threads, [&](int64_t i, int) {
    kernels().composite(packed, start, i * kRaysAtOnce, block_end(i, rays), rgb, opacity, depth, weights);
  });
}

void dl_composite_backward(const float* sigma, const float* color, const float* t0, const float* t1,
                           const int64_t* start, int64_t rays, const float* g_rgb, const float* g_opacity,
                           const float* g_depth, const float* g_weights, float* g_sigma, float* g_color, int threads) {
  const Packed packed{sigma, color, t0, t1};
  int64_t longest = 0;
  for (int64_t r = 0; r < rays; ++r)
    if (start[r + 1] - start[r] > longest) longest = start[r + 1] - start[r];
  parallel_for(blocks(rays), threads, [&](int64_t i, int) {
    thread_local std::vector<float> work;
    if (work.size() < static_cast<size_t>(2 * longest)) work.resize(static_cast<size_t>(2 * longest));
    kernels().composite_backward(packed, start, i * kRaysAtOnce, block_end(i, rays), g_rgb, g_opacity, g_depth,
                                 g_weights, g_sigma, g_color, work.data());
  });
}

}  // extern "C"
