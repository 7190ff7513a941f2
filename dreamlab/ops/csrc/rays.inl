// Marching through the occupancy grid, and compositing along packed rays.

namespace {

// Where a ray enters and leaves a box (slab method); NaN from 0 * infinity is passed over. std::fmin without the call.
DREAMLAB_INLINE float least(float a, float b) { return a < b || b != b ? a : b; }
DREAMLAB_INLINE float most(float a, float b) { return a > b || b != b ? a : b; }

DREAMLAB_INLINE void slab(const float* o, const float* d, const float* low, const float* high, float& near,
                          float& far) {
  near = -__builtin_inff();
  far = __builtin_inff();
  for (int axis = 0; axis < 3; ++axis) {
    const float inverse = 1.0f / d[axis];
    const float a = (low[axis] - o[axis]) * inverse, b = (high[axis] - o[axis]) * inverse;
    near = most(near, least(a, b));
    far = least(far, most(a, b));
  }
  near = most(near, 0.0f);
}

// The same arithmetic, operation by operation, as the reference in float32. counts = -1: too many steps.
void march(const March& m, int64_t begin, int64_t end, float* nears, uint16_t* masks, int32_t* counts) {
  const float low[3] = {-1.0f, -1.0f, -1.0f}, high[3] = {1.0f, 1.0f, 1.0f};
  const float half = static_cast<float>(m.grid) * 0.5f, top = static_cast<float>(m.grid - 1);
  for (int64_t r = begin; r < end; ++r) {
    const float *o = m.origins + r * 3, *d = m.directions + r * 3;
    uint16_t* mask = masks + r * m.groups;
    float near, far;
    slab(o, d, low, high, near, far);
    nears[r] = near;
    counts[r] = 0;
    std::memset(mask, 0, sizeof(uint16_t) * static_cast<size_t>(m.groups));
    const float steps = __builtin_ceilf((far - near) / m.step - m.jitter[r]);
    float zero = 0.0f;  // unless something is infinite or not a number
    for (int axis = 0; axis < 3; ++axis) zero += o[axis] * 0.0f + d[axis] * 0.0f;
    if (!(far > near) || !(steps > 0.0f) || steps > 3e38f || zero != 0.0f) continue;
    if (steps > static_cast<float>(m.groups * kStepGroup - 1)) {
      counts[r] = -1;
      continue;
    }
    // Only the part near occupied cells is looked at, with a margin for rounding: every sample is still tested itself.
    float reach = 0.0f, box_low[3], box_high[3], first, last;
    for (int axis = 0; axis < 3; ++axis) reach = most(reach, __builtin_fabsf(o[axis]));
    const float margin = 4e-6f * (1.0f + reach + far);
    for (int axis = 0; axis < 3; ++axis) {
      box_low[axis] = m.low[axis] - margin;
      box_high[axis] = m.high[axis] + margin;
    }
    slab(o, d, box_low, box_high, first, last);
    if (!(last >= first)) continue;
    const float from = (first - near) / m.step - m.jitter[r] - 2.0f, to = (last - near) / m.step - m.jitter[r] + 2.0f;
    const int64_t g0 = from > 0.0f ? static_cast<int64_t>(from < steps ? from : steps) / kStepGroup : 0;
    const int64_t g1 = static_cast<int64_t>(to < steps ? (to > 0.0f ? to : 0.0f) : steps) / kStepGroup + 1;
    int count = 0;
    for (int64_t g = g0; g < g1; ++g) {
      unsigned found = 0;
      for (int part = 0; part < kStepGroup / kLanes; ++part) {
        const Vec i = iota() + static_cast<float>(g * kStepGroup + part * kLanes);
        const Vec middle = near + (i + m.jitter[r]) * m.step;
        IVec cell[3];
        for (int axis = 0; axis < 3; ++axis) {
          Vec x = ((o[axis] + middle * d[axis]) + 1.0f) * half;
          x = x > 0.0f ? x : Vec{};  // NaN: 0
          cell[axis] = __builtin_convertvector(x > top ? splat(top) : x, IVec);
        }
        const IVec index = (cell[0] * m.grid + cell[1]) * m.grid + cell[2];
        const IVec bit = (IVec)(gather(m.occupied, index >> 5) >> (UVec)(index & 31)) & 1;
        found |= bits((bit == 1) & (middle < far)) << (part * kLanes);
      }
      mask[g] = static_cast<uint16_t>(found);
      count += __builtin_popcount(found);
    }
    counts[r] = count;
  }
}

// exp(-x) and 1 - exp(-x), both to a few units in the last place: exp(r) - 1 by its series on |r| <= ln(2) / 2, then
// scaled by a power of two (Cody and Waite 1980).
DREAMLAB_INLINE void decay(Vec x, Vec& through, Vec& stopped) {
  const Vec y = clamp(-x, -87.0f, 87.0f);
  const Vec n = __builtin_convertvector(__builtin_convertvector(y * 1.44269504f + (y < 0.0f ? splat(-0.5f) : splat(0.5f)), IVec), Vec);
  const Vec r = fma(n, splat(-1.42860677e-6f), fma(n, splat(-0.693145752f), y));
  Vec p = splat(1.0f / 5040.0f);
  p = fma(p, r, splat(1.0f / 720.0f));
  p = fma(p, r, splat(1.0f / 120.0f));
  p = fma(p, r, splat(1.0f / 24.0f));
  p = fma(p, r, splat(1.0f / 6.0f));
  p = fma(p, r, splat(0.5f));
  p = fma(p * r, r, r);
  const Vec scale = (Vec)((__builtin_convertvector(n, IVec) + 127) << 23);
  through = fma(scale, p, scale);
  stopped = (1.0f - scale) - scale * p;
  through = x > 87.0f ? Vec{} : through;
  stopped = x > 87.0f ? splat(1.0f) : stopped;
}

DREAMLAB_INLINE void decay_at(const Packed& p, int64_t s, int64_t count, float* through, float* stopped) {
  alignas(64) float buffer[kLanes] = {};
  if (count < kLanes)
    for (int64_t i = 0; i < count; ++i) buffer[i] = p.sigma[s + i] * (p.t1[s + i] - p.t0[s + i]);
  else
    store(buffer, load(p.sigma + s) * (load(p.t1 + s) - load(p.t0 + s)));
  Vec e, a;
  decay(load(buffer), e, a);
  store(through, e);
  store(stopped, a);
}

void composite(const Packed& p, const int64_t* start, int64_t begin, int64_t end, float* rgb, float* opacity,
               float* depth, float* weights) {
  alignas(64) float through[kLanes], stopped[kLanes];
  for (int64_t r = begin; r < end; ++r) {
    float t = 1.0f, red = 0.0f, green = 0.0f, blue = 0.0f, total = 0.0f, far = 0.0f;
    for (int64_t s = start[r]; s < start[r + 1]; s += kLanes) {
      const int64_t count = start[r + 1] - s < kLanes ? start[r + 1] - s : kLanes;
      decay_at(p, s, count, through, stopped);
      for (int64_t i = 0; i < count; ++i) {
        const float w = t * stopped[i];
        const float* c = p.rgb + (s + i) * 3;
        red += w * c[0];
        green += w * c[1];
        blue += w * c[2];
        total += w;
        far += w * ((p.t0[s + i] + p.t1[s + i]) * 0.5f);
        weights[s + i] = w;
        t *= through[i];
      }
    }
    rgb[r * 3] = red;
    rgb[r * 3 + 1] = green;
    rgb[r * 3 + 2] = blue;
    opacity[r] = total;
    depth[r] = far;
  }
}

// With x_j = sigma_j d_j and G_i = dL/dw_i: dL/dx_j = T_{j+1} G_j - sum_{i>j} w_i G_i.
void composite_backward(const Packed& p, const int64_t* start, int64_t begin, int64_t end, const float* g_rgb,
                        const float* g_opacity, const float* g_depth, const float* g_weights, float* g_sigma,
                        float* g_color, float* work) {
  alignas(64) float through[kLanes], stopped[kLanes];
  for (int64_t r = begin; r < end; ++r) {
    const int64_t first = start[r], n = start[r + 1] - first;
    float *weight = work, *after = work + n;
    float t = 1.0f;
    for (int64_t s = 0; s < n; s += kLanes) {
      const int64_t count = n - s < kLanes ? n - s : kLanes;
      decay_at(p, first + s, count, through, stopped);
      for (int64_t i = 0; i < count; ++i) {
        weight[s + i] = t * stopped[i];
        t *= through[i];
        after[s + i] = t;
      }
    }
    const float *g = g_rgb + r * 3, g_o = g_opacity[r], g_d = g_depth[r];
    float behind = 0.0f;
    for (int64_t i = n - 1; i >= 0; --i) {
      const int64_t s = first + i;
      const float* c = p.rgb + s * 3;
      const float of_weight =
          g_weights[s] + g[0] * c[0] + g[1] * c[1] + g[2] * c[2] + g_o + g_d * ((p.t0[s] + p.t1[s]) * 0.5f);
      g_sigma[s] = (p.t1[s] - p.t0[s]) * (after[i] * of_weight - behind);
      behind += weight[i] * of_weight;
      for (int k = 0; k < 3; ++k) g_color[s * 3 + k] = weight[i] * g[k];
    }
  }
}

}  // namespace
