// Multiresolution hash encoding (Mueller et al. 2022): kLanes points at a time.

namespace {

constexpr uint32_t kPrimeY = 2654435761u, kPrimeZ = 805459861u;

// The eight vertices around kLanes points: rows within the level, interpolation weights, and the way to them.
struct Cell {
  UVec index[8];
  Vec weight[8];
  Vec fraction[3];
};

DREAMLAB_INLINE void split(Vec x, float scale, UVec& cell, Vec& fraction) {
  const Vec position = clamp(x, 0.0f, 1.0f) * scale + 0.5f;
  // A NaN reads cell 0 and stays in the fraction.
  const Vec whole = position > 0.0f ? position : Vec{};
  cell = __builtin_convertvector(__builtin_convertvector(whole, IVec), UVec);
  fraction = position - __builtin_convertvector(__builtin_convertvector(cell, IVec), Vec);
}

DREAMLAB_INLINE void locate(const Level& level, const Vec x[3], Cell& cell) {
  UVec at[3];
  for (int axis = 0; axis < 3; ++axis) split(x[axis], level.scale, at[axis], cell.fraction[axis]);
  const Vec fx = cell.fraction[0], fy = cell.fraction[1], fz = cell.fraction[2];
  const Vec xy[4] = {(1.0f - fx) * (1.0f - fy), fx * (1.0f - fy), (1.0f - fx) * fy, fx * fy};
#pragma GCC unroll 8
  for (int c = 0; c < 8; ++c) cell.weight[c] = xy[c & 3] * (c & 4 ? fz : 1.0f - fz);
  if (level.dense) {
    const uint32_t r = level.resolution;
    const UVec base = at[0] + (at[1] + at[2] * r) * r;
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c) {
      const UVec index = base + (c & 1 ? 1u : 0u) + (c & 2 ? r : 0u) + (c & 4 ? r * r : 0u);
      cell.index[c] = index >= level.rows ? index - level.rows : index;
    }
  } else {
    const UVec y[2] = {at[1] * kPrimeY, at[1] * kPrimeY + kPrimeY};
    const UVec z[2] = {at[2] * kPrimeZ, at[2] * kPrimeZ + kPrimeZ};
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c)
      cell.index[c] = ((at[0] + (c & 1 ? 1u : 0u)) ^ y[c >> 1 & 1] ^ z[c >> 2]) & (level.rows - 1);
  }
}

// Coordinates of n <= kLanes points; lanes beyond n repeat the last point.
DREAMLAB_INLINE void load_points(const float* x, int n, Vec out[3]) {
#if defined(__AVX512F__)
  if (n == kLanes) {
    const __m512i every = (__m512i)(__builtin_convertvector(iota(), IVec) * 3);
    for (int axis = 0; axis < 3; ++axis) out[axis] = (Vec)_mm512_i32gather_ps(every, x + axis, 4);
    return;
  }
#elif defined(__AVX2__)
  if (n == kLanes) {  // four points in each half: x0 y0 z0 x1, y1 z1 x2 y2, z2 x3 y3 z3
    const auto halves = [&](int at) {
      return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x + at)), _mm_loadu_ps(x + 12 + at), 1);
    };
    const __m256 first = halves(0), second = halves(4), third = halves(8);
    const __m256 xy = _mm256_shuffle_ps(second, third, _MM_SHUFFLE(2, 1, 3, 2));
    const __m256 yz = _mm256_shuffle_ps(first, second, _MM_SHUFFLE(1, 0, 2, 1));
    out[0] = (Vec)_mm256_shuffle_ps(first, xy, _MM_SHUFFLE(2, 0, 3, 0));
    out[1] = (Vec)_mm256_shuffle_ps(yz, xy, _MM_SHUFFLE(3, 1, 2, 0));
    out[2] = (Vec)_mm256_shuffle_ps(yz, third, _MM_SHUFFLE(3, 0, 3, 1));
    return;
  }
#endif
  alignas(64) float lanes[3][kLanes];
  for (int i = 0; i < kLanes; ++i)
    for (int axis = 0; axis < 3; ++axis) lanes[axis][i] = x[(i < n ? i : n - 1) * 3 + axis];
  for (int axis = 0; axis < 3; ++axis) out[axis] = load(lanes[axis]);
}

// The same in memory, for work that goes point by point.
struct Spread {
  alignas(64) uint32_t index[8][kLanes];
  alignas(64) float weight[8][kLanes];
};

DREAMLAB_INLINE void spread(const Cell& cell, Spread& out) {
  for (int c = 0; c < 8; ++c) {
    store(out.index[c], cell.index[c]);
    store(out.weight[c], cell.weight[c]);
  }
}

// With two features, the rows of two neighbours along x are four floats, and in a dense level they adjoin: one load.
struct Pairs {
  alignas(64) uint32_t index[8][kLanes];
  alignas(64) float area[4][kLanes];  // weights in the y-z plane
  alignas(64) float low[kLanes], high[kLanes];  // weights along x
  bool adjoin;  // index[2 k + 1] = index[2 k] + 1 at every point; then the odd ones are not filled in
};

DREAMLAB_INLINE void pair(const Level& level, const Vec points[3], Pairs& out) {
  Cell cell;
  locate(level, points, cell);
  const Vec fx = cell.fraction[0], fy = cell.fraction[1], fz = cell.fraction[2];
  store(out.area[0], (1.0f - fy) * (1.0f - fz));
  store(out.area[1], fy * (1.0f - fz));
  store(out.area[2], (1.0f - fy) * fz);
  store(out.area[3], fy * fz);
  store(out.low, 1.0f - fx);
  store(out.high, fx);
  IVec apart = IVec{};  // where the second of a pair wraps around
  for (int c = 0; c < 8; c += 2) {
    store(out.index[c], cell.index[c]);
    apart |= cell.index[c + 1] != cell.index[c] + 1u;
  }
  out.adjoin = level.dense && !bits(apart);
  if (!out.adjoin)
    for (int c = 1; c < 8; c += 2) store(out.index[c], cell.index[c]);
}

// One level's features of n points into out[point * stride + f].
template <int F>
void encode_points(const Level& level, const float* rows, const float* x, int64_t n, float* out, int64_t stride) {
  Spread at;
  for (int64_t begin = 0; begin < n; begin += kLanes) {
    const int count = static_cast<int>(n - begin < kLanes ? n - begin : kLanes);
    Vec points[3];
    Cell cell;
    load_points(x + begin * 3, count, points);
    locate(level, points, cell);
    spread(cell, at);
    for (int i = 0; i < count; ++i) {
      float sum[F] = {};
      for (int c = 0; c < 8; ++c)
        for (int f = 0; f < F; ++f) sum[f] += at.weight[c][i] * rows[static_cast<int64_t>(at.index[c][i]) * F + f];
      for (int f = 0; f < F; ++f) out[(begin + i) * stride + f] = sum[f];
    }
  }
}

template <>
void encode_points<2>(const Level& level, const float* rows, const float* x, int64_t n, float* out, int64_t stride) {
  Pairs at;
  for (int64_t begin = 0; begin < n; begin += kLanes) {
    const int count = static_cast<int>(n - begin < kLanes ? n - begin : kLanes);
    Vec points[3];
    load_points(x + begin * 3, count, points);
    pair(level, points, at);
    float* to = out + begin * stride;
    if (at.adjoin) {
      for (int i = 0; i < count; ++i) {
        Four sum = splat4(at.area[0][i]) * load4(rows + int64_t{at.index[0][i]} * 2);
#pragma GCC unroll 3
        for (int k = 1; k < 4; ++k)
          sum = fma4(splat4(at.area[k][i]), load4(rows + int64_t{at.index[2 * k][i]} * 2), sum);
        store2(to + i * stride, fma4(splat4(at.low[i]), sum, splat4(at.high[i]) * upper2(sum)));
      }
    } else {
      for (int i = 0; i < count; ++i) {
        Four sum = Four{};
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
          const Four two = join2(rows + int64_t{at.index[2 * k][i]} * 2, rows + int64_t{at.index[2 * k + 1][i]} * 2);
          sum = k ? fma4(splat4(at.area[k][i]), two, sum) : splat4(at.area[k][i]) * two;
        }
        store2(to + i * stride, fma4(splat4(at.low[i]), sum, splat4(at.high[i]) * upper2(sum)));
      }
    }
  }
}

void encode(const Grid& grid, int level, const float* table, const float* x, int64_t begin, int64_t end,
            const Features<float>& out) {
  const Level& which = grid.level[level];
  const float* rows = table + which.offset * grid.features;
  float* to = out.data + level * out.level + begin * out.row;
  switch (grid.features) {
    case 1: return encode_points<1>(which, rows, x + begin * 3, end - begin, to, out.row);
    case 2: return encode_points<2>(which, rows, x + begin * 3, end - begin, to, out.row);
    case 4: return encode_points<4>(which, rows, x + begin * 3, end - begin, to, out.row);
    default: return encode_points<8>(which, rows, x + begin * 3, end - begin, to, out.row);
  }
}

// One thread owns a level: points are added in order, without atomics.
template <int F>
void scatter_level(const Level& level, const float* x, int64_t n, const float* gradient, int64_t row, float* out) {
  Spread at;
  float* rows = out + level.offset * F;
  for (int64_t begin = 0; begin < n; begin += kLanes) {
    const int count = static_cast<int>(n - begin < kLanes ? n - begin : kLanes);
    Vec points[3];
    Cell cell;
    load_points(x + begin * 3, count, points);
    locate(level, points, cell);
    spread(cell, at);
    for (int i = 0; i < count; ++i)
      for (int c = 0; c < 8; ++c)
        for (int f = 0; f < F; ++f)
          rows[static_cast<int64_t>(at.index[c][i]) * F + f] += at.weight[c][i] * gradient[(begin + i) * row + f];
  }
}

template <>
void scatter_level<2>(const Level& level, const float* x, int64_t n, const float* gradient, int64_t row, float* out) {
  Pairs at;
  float* rows = out + level.offset * 2;
  for (int64_t begin = 0; begin < n; begin += kLanes) {
    const int count = static_cast<int>(n - begin < kLanes ? n - begin : kLanes);
    Vec points[3];
    load_points(x + begin * 3, count, points);
    pair(level, points, at);
    for (int i = 0; i < count; ++i) {
      const float* g = gradient + (begin + i) * row;
      const Four both = join2(g, g), low = both * splat4(at.low[i]), high = both * splat4(at.high[i]);
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        const Four area = splat4(at.area[k][i]);
        float* first = rows + int64_t{at.index[2 * k][i]} * 2;
        float* second = at.adjoin ? first + 2 : rows + int64_t{at.index[2 * k + 1][i]} * 2;
        store2(first, fma4(area, low, load2(first)));
        store2(second, fma4(area, high, load2(second)));
      }
    }
  }
}

void encode_backward_table(const Grid& grid, int level, const float* x, int64_t n,
                           const Features<const float>& gradient, float* out) {
  const Level& which = grid.level[level];
  const float* g = gradient.data + level * gradient.level;
  switch (grid.features) {
    case 1: return scatter_level<1>(which, x, n, g, gradient.row, out);
    case 2: return scatter_level<2>(which, x, n, g, gradient.row, out);
    case 4: return scatter_level<4>(which, x, n, g, gradient.row, out);
    default: return scatter_level<8>(which, x, n, g, gradient.row, out);
  }
}

// d/dx: the trilinear weights' derivatives, times scale; zero for points that were clamped.
void encode_backward_x(const Grid& grid, const float* table, const float* x, int64_t begin, int64_t end,
                       const Features<const float>& gradient, float* out) {
  const int F = grid.features;
  for (int64_t at = begin; at < end; at += kLanes) {
    const int count = static_cast<int>(end - at < kLanes ? end - at : kLanes);
    Vec points[3], total[3] = {Vec{}, Vec{}, Vec{}};
    load_points(x + at * 3, count, points);
    for (int l = 0; l < grid.levels; ++l) {
      Cell cell;
      locate(grid.level[l], points, cell);
      const float* rows = table + grid.level[l].offset * F;
      Vec dot[8];
      for (int c = 0; c < 8; ++c)
        for (int i = 0; i < kLanes; ++i) {
          const float* g = gradient.data + (at + (i < count ? i : 0)) * gradient.row + l * gradient.level;
          const float* row = rows + static_cast<int64_t>(cell.index[c][i]) * F;
          float sum = 0.0f;
          for (int f = 0; f < F; ++f) sum += row[f] * g[f];
          dot[c][i] = sum;
        }
      const Vec one[3] = {cell.fraction[0], cell.fraction[1], cell.fraction[2]};
      const Vec zero[3] = {1.0f - one[0], 1.0f - one[1], 1.0f - one[2]};
      for (int axis = 0; axis < 3; ++axis) {
        const int bit = 1 << axis, u = (axis + 1) % 3, v = (axis + 2) % 3;
        Vec slope = Vec{};
        for (int c = 0; c < 8; ++c) {
          const Vec area = (c >> u & 1 ? one[u] : zero[u]) * (c >> v & 1 ? one[v] : zero[v]);
          slope = slope + (c & bit ? dot[c] : -dot[c]) * area;
        }
        total[axis] = total[axis] + slope * grid.level[l].scale;
      }
    }
    for (int axis = 0; axis < 3; ++axis) {
      const Vec p = points[axis];
      total[axis] = p < 0.0f ? Vec{} : p > 1.0f ? Vec{} : total[axis];
      for (int i = 0; i < count; ++i) out[(at + i) * 3 + axis] = total[axis][i];
    }
  }
}

}  // namespace
