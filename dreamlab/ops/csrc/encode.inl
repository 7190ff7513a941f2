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
#endif
  alignas(64) float lanes[3][kLanes];
  for (int i = 0; i < kLanes; ++i)
    for (int axis = 0; axis < 3; ++axis) lanes[axis][i] = x[(i < n ? i : n - 1) * 3 + axis];
  for (int axis = 0; axis < 3; ++axis) out[axis] = load(lanes[axis]);
}

// Interpolated features of kLanes points, point by point: out[lane * F + f].
template <int F>
DREAMLAB_INLINE void interpolate(const Cell& cell, const float* rows, float* out) {
#if defined(__AVX512F__)
  if (F == 2) {  // a row is one 64-bit element: gather eight rows at a time
    const __m512i low = (__m512i)IVec{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7};
    const __m512i high = (__m512i)IVec{8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15};
    Vec sum[2] = {Vec{}, Vec{}};
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c) {
      const __m512i index = (__m512i)cell.index[c];
      const __m512 weight = (__m512)cell.weight[c];
      const __m256i first = _mm512_castsi512_si256(index), second = _mm512_extracti64x4_epi64(index, 1);
      sum[0] = fma((Vec)_mm512_permutexvar_ps(low, weight), (Vec)_mm512_i32gather_pd(first, rows, 8), sum[0]);
      sum[1] = fma((Vec)_mm512_permutexvar_ps(high, weight), (Vec)_mm512_i32gather_pd(second, rows, 8), sum[1]);
    }
    store(out, sum[0]);
    store(out + kLanes, sum[1]);
    return;
  }
#endif
  alignas(64) uint32_t index[8][kLanes];
  alignas(64) float weight[8][kLanes];
  for (int c = 0; c < 8; ++c) {
    store(index[c], cell.index[c]);
    store(weight[c], cell.weight[c]);
  }
  for (int i = 0; i < kLanes; ++i) {
    float sum[F] = {};
    for (int c = 0; c < 8; ++c)
      for (int f = 0; f < F; ++f) sum[f] += weight[c][i] * rows[static_cast<int64_t>(index[c][i]) * F + f];
    for (int f = 0; f < F; ++f) out[i * F + f] = sum[f];
  }
}

template <int F>
void encode_rows_of(const Grid& grid, const float* table, const float* x, int64_t n, float* out, int64_t stride) {
  alignas(64) float buffer[kLanes * F];
  for (int64_t at = 0; at < n; at += kLanes) {
    const int count = static_cast<int>(n - at < kLanes ? n - at : kLanes);
    Vec points[3];
    load_points(x + at * 3, count, points);
    for (int l = 0; l < grid.levels; ++l) {
      Cell cell;
      locate(grid.level[l], points, cell);
      interpolate<F>(cell, table + grid.level[l].offset * F, buffer);
      float* to = out + at * stride + l * F;
      for (int i = 0; i < count; ++i) std::memcpy(to + i * stride, buffer + i * F, sizeof(float) * F);
    }
  }
}

// n points to rows of levels * features floats, `stride` floats apart.
void encode_rows(const Grid& grid, const float* table, const float* x, int64_t n, float* out, int64_t stride) {
  switch (grid.features) {
    case 1: return encode_rows_of<1>(grid, table, x, n, out, stride);
    case 2: return encode_rows_of<2>(grid, table, x, n, out, stride);
    case 4: return encode_rows_of<4>(grid, table, x, n, out, stride);
    default: return encode_rows_of<8>(grid, table, x, n, out, stride);
  }
}

void encode(const Grid& grid, const float* table, const float* x, int64_t begin, int64_t end, float* out) {
  const int width = grid.levels * grid.features;
  encode_rows(grid, table, x + begin * 3, end - begin, out + begin * width, width);
}

template <int F>
DREAMLAB_INLINE void add_row(float* row, const float* value) {
#if defined(__SSE2__)
  if (F == 2) {
    const __m128 sum = _mm_add_ps(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(row))),
                                  _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(value))));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(row), _mm_castps_si128(sum));
    return;
  }
#endif
  for (int f = 0; f < F; ++f) row[f] += value[f];
}

// weight * gradient of kLanes points, point by point: out[lane * F + f].
template <int F>
DREAMLAB_INLINE void scale_gradient(Vec weight, const float* gradient, float* out) {
#if defined(__AVX512F__)
  if (F == 2) {
    const __m512i low = (__m512i)IVec{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7};
    const __m512i high = (__m512i)IVec{8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15};
    store(out, (Vec)_mm512_permutexvar_ps(low, (__m512)weight) * load(gradient));
    store(out + kLanes, (Vec)_mm512_permutexvar_ps(high, (__m512)weight) * load(gradient + kLanes));
    return;
  }
#endif
  for (int i = 0; i < kLanes; ++i)
    for (int f = 0; f < F; ++f) out[i * F + f] = weight[i] * gradient[i * F + f];
}

// One thread owns a level: points are added in order, without atomics.
template <int F>
void scatter_level(const Level& level, const float* x, int64_t n, const float* gradient, int64_t row, float* out) {
  alignas(64) uint32_t index[8][kLanes];
  alignas(64) float value[8][kLanes * F];
  alignas(64) float g[kLanes * F];
  float* rows = out + level.offset * F;
  for (int64_t at = 0; at < n; at += kLanes) {
    const int count = static_cast<int>(n - at < kLanes ? n - at : kLanes);
    Vec points[3];
    load_points(x + at * 3, count, points);
    Cell cell;
    locate(level, points, cell);
    if (row == F && count == kLanes)
      std::memcpy(g, gradient + at * F, sizeof g);
    else
      for (int i = 0; i < kLanes; ++i)
        for (int f = 0; f < F; ++f) g[i * F + f] = i < count ? gradient[(at + i) * row + f] : 0.0f;
    for (int c = 0; c < 8; ++c) {
      store(index[c], cell.index[c]);
      scale_gradient<F>(cell.weight[c], g, value[c]);
    }
    for (int i = 0; i < count; ++i)
#pragma GCC unroll 8
      for (int c = 0; c < 8; ++c) add_row<F>(rows + static_cast<int64_t>(index[c][i]) * F, value[c] + i * F);
  }
}

void encode_backward_table(const Grid& grid, int level, const float* x, int64_t n, Features<const float> gradient,
                           float* out) {
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
                       Features<const float> gradient, float* out) {
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
