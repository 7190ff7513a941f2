// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016, section 4.1; interpolation points 0, 1, -1, 2, -2):
// the transforms of tiles and weights, with channels in the vector lanes. Channels go in chunks of sixteen.

namespace {

constexpr int kVectors = kChunk / kLanes;  // of a chunk

// ---- one axis ----

DREAMLAB_INLINE void along_input(const Vec* d, Vec* t) {  // B^T
  const Vec two = splat(2.0f), four = splat(4.0f), minus_four = splat(-4.0f), minus_five = splat(-5.0f);
  const Vec even = fma(minus_four, d[2], d[4]), odd = fma(minus_four, d[1], d[3]);
  const Vec even2 = d[4] - d[2], odd2 = two * (d[3] - d[1]);
  t[0] = fma(four, d[0], fma(minus_five, d[2], d[4]));
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = fma(four, d[1], fma(minus_five, d[3], d[5]));
}

DREAMLAB_INLINE void along_output(const Vec* m, Vec* y) {  // A^T
  const Vec s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
  y[0] = m[0] + s1 + s2;
  y[1] = fma(splat(2.0f), d2, d1);
  y[2] = fma(splat(4.0f), s2, s1);
  y[3] = fma(splat(8.0f), d2, d1) + m[5];
}

DREAMLAB_INLINE void along_gradient(const Vec* y, Vec* m) {  // A
  const Vec four = splat(4.0f);
  const Vec even = y[0] + y[2], odd = y[1] + y[3];
  const Vec even2 = fma(four, y[2], y[0]), half = fma(four, y[3], y[1]), odd2 = half + half;
  m[0] = y[0];
  m[1] = even + odd;
  m[2] = even - odd;
  m[3] = even2 + odd2;
  m[4] = even2 - odd2;
  m[5] = y[3];
}

DREAMLAB_INLINE void along_weight(const Vec* g, Vec* u) {  // G
  const Vec sixth = splat(1.0f / 6), minus_sixth = splat(-1.0f / 6);
  const Vec a = minus_sixth * (g[0] + g[2]), c = fma(splat(1.0f / 24), g[0], sixth * g[2]);
  const Vec d = splat(1.0f / 12) * g[1];
  u[0] = splat(0.25f) * g[0];
  u[1] = fma(minus_sixth, g[1], a);
  u[2] = fma(sixth, g[1], a);
  u[3] = c + d;
  u[4] = c - d;
  u[5] = g[2];
}

DREAMLAB_INLINE void along_weight_gradient(const Vec* u, Vec* g) {  // G^T
  const Vec s1 = u[1] + u[2], d1 = u[2] - u[1], s2 = u[3] + u[4], d2 = u[3] - u[4];
  const Vec sixth = splat(1.0f / 6);
  g[0] = fma(splat(0.25f), u[0], fma(splat(-1.0f / 6), s1, splat(1.0f / 24) * s2));
  g[1] = fma(sixth, d1, splat(1.0f / 12) * d2);
  g[2] = fma(sixth, s2 - s1, u[5]);
}

// to = T from T^T for a one-axis transform T of In values to Out.
template <int In, int Out, class Along>
DREAMLAB_INLINE void both_axes(const Vec (&from)[In][In], Vec (&to)[Out][Out], const Along& along) {
  Vec half[Out][In];
#pragma GCC unroll 6
  for (int j = 0; j < In; ++j) {
    Vec column[In], turned[Out];
#pragma GCC unroll 6
    for (int i = 0; i < In; ++i) column[i] = from[i][j];
    along(column, turned);
#pragma GCC unroll 6
    for (int i = 0; i < Out; ++i) half[i][j] = turned[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < Out; ++i) along(half[i], to[i]);
}

// ---- tiles of an image into panels ----

// The image's part of a tile is Side x Side pixels, of which the first lies `margin` before the tile's place.
template <int Side>
DREAMLAB_INLINE void find_pixels(const Maps& maps, int64_t tile, int margin, const float* zeros,
                                 const float* (&pixel)[Side][Side]) {
  const int64_t column = tile % maps.tiles_x, row = tile / maps.tiles_x % maps.tiles_y;
  const int64_t image = tile / (maps.tiles_x * maps.tiles_y);
  for (int i = 0; i < Side; ++i) {
    const int64_t y = row * kTileSide - margin + i;
    for (int j = 0; j < Side; ++j) {
      const int64_t x = column * kTileSide - margin + j;
      const bool inside = y >= 0 && y < maps.height && x >= 0 && x < maps.width;
      pixel[i][j] = inside ? maps.data + ((image * maps.height + y) * maps.width + x) * maps.channels : zeros;
    }
  }
}

// A chunk of channels of a tile, transformed, to 36 places `stride` apart.
template <int Side, class Along>
DREAMLAB_INLINE void chunk_to_panels(const float* (&pixel)[Side][Side], int64_t first, int64_t live, int64_t stride,
                                     float* to, const Along& along) {
  float rest[Side * Side][kChunk];  // the last channels, filled up with zeros
  if (live < kChunk) {
    std::memset(rest, 0, sizeof rest);
    for (int p = 0; p < Side * Side; ++p)
      std::memcpy(rest[p], pixel[p / Side][p % Side] + first, sizeof(float) * static_cast<size_t>(live));
  }
  for (int v = 0; v < kVectors; ++v) {
    Vec from[Side][Side], turned[6][6];
#pragma GCC unroll 36
    for (int p = 0; p < Side * Side; ++p)
      from[p / Side][p % Side] = load((live < kChunk ? rest[p] : pixel[p / Side][p % Side] + first) + v * kLanes);
    both_axes<Side, 6>(from, turned, along);
#pragma GCC unroll 36
    for (int p = 0; p < kProducts; ++p) store(to + p * stride + v * kLanes, turned[p / 6][p % 6]);
  }
}

template <int Side, class Along>
DREAMLAB_INLINE void tiles_to_panels(const Maps& maps, int64_t begin, int64_t end, int margin, const float* zeros,
                                     const Panels& to, const Along& along) {
  const float* pixels[2][Side][Side];
  if (begin < end) find_pixels<Side>(maps, begin, margin, zeros, pixels[begin & 1]);
  for (int64_t tile = begin; tile < end; ++tile) {
    auto &here = pixels[tile & 1], &next = pixels[(tile + 1) & 1];
    find_pixels<Side>(maps, tile + 1 < end ? tile + 1 : tile, margin, zeros, next);
    for (int64_t first = 0; first < maps.channels; first += kChunk) {
      // Pixels lie far apart, so the next tile's memory is asked for now, except what this one shares with it.
#pragma GCC unroll 16
      for (int p = 0; p < 16; ++p) __builtin_prefetch(next[Side - 4 + p / 4][Side - 4 + p % 4] + first);
      chunk_to_panels<Side>(here, first, maps.channels - first, to.product,
                            to.at(0, first / kChunk) + (tile - to.first) * kChunk, along);
    }
  }
}

void input_tiles(const Maps& maps, int64_t begin, int64_t end, const float* zeros, const Panels& to) {
  tiles_to_panels<6>(maps, begin, end, 1, zeros, to, along_input);
}

void gradient_tiles(const Maps& maps, int64_t begin, int64_t end, const float* zeros, const Panels& to) {
  tiles_to_panels<4>(maps, begin, end, 0, zeros, to, along_gradient);
}

// One tile's products [36][kChunk] into the image.
DREAMLAB_INLINE void output_tile(const float* products, const Vec* bias, const Maps& maps, float* out, int64_t tile,
                                 int64_t first) {
  const int64_t column = tile % maps.tiles_x * kTileSide, row = tile / maps.tiles_x % maps.tiles_y * kTileSide;
  const int64_t image = tile / (maps.tiles_x * maps.tiles_y);
  const int64_t rows = maps.height - row < kTileSide ? maps.height - row : kTileSide;
  const int64_t columns = maps.width - column < kTileSide ? maps.width - column : kTileSide;
  float* corner = out + ((image * maps.height + row) * maps.width + column) * maps.channels + first;
  const int64_t live = maps.channels - first;
  for (int v = 0; v < kVectors && v * kLanes < live; ++v) {
    Vec from[6][6], turned[4][4];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i)
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) from[i][j] = load(products + (i * 6 + j) * kChunk + v * kLanes);
    both_axes<6, 4>(from, turned, along_output);
    const int64_t here = live - v * kLanes;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        const Vec value = turned[i][j] + bias[v];
        float* to = corner + (i * maps.width + j) * maps.channels + v * kLanes;
        if (here >= kLanes)
          store(to, value);
        else
          std::memcpy(to, &value, sizeof(float) * static_cast<size_t>(here));
      }
  }
}

// ---- weights ----

// Rows and columns change places: to[c][r] = from[r][c] of 4 x 4.
DREAMLAB_INLINE void turn4(const float* from, int64_t stride, float* to, int64_t to_stride) {
#if defined(__SSE2__)
  __m128 a = (__m128)load4(from), b = (__m128)load4(from + stride);
  __m128 c = (__m128)load4(from + 2 * stride), d = (__m128)load4(from + 3 * stride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  const __m128 turned[4] = {a, b, c, d};
  for (int i = 0; i < 4; ++i) std::memcpy(to + i * to_stride, &turned[i], sizeof turned[i]);
#else
  for (int r = 0; r < 4; ++r)
    for (int c = 0; c < 4; ++c) to[c * to_stride + r] = from[r * stride + c];
#endif
}

typedef float Taps[9][kChunk][kChunk];  // [3 x 3][input][output] of a chunk of inputs and one of outputs

void gather_taps(const Filter& filter, int64_t input, int64_t output, Taps& taps) {
  const int64_t left_in = filter.inputs - input, left_out = filter.outputs - output;
  const int ins = static_cast<int>(left_in < kChunk ? left_in : kChunk);
  const int outs = static_cast<int>(left_out < kChunk ? left_out : kChunk);
  if (ins < kChunk || outs < kChunk) std::memset(taps, 0, sizeof taps);
  for (int k = 0; k < 9; ++k) {
    const float* from = filter.data + input * filter.of_input + output * filter.of_output +
                        k / 3 * filter.of_row + k % 3 * filter.of_column;
    if (filter.of_output == 1 && outs == kChunk)
      for (int i = 0; i < ins; ++i) std::memcpy(taps[k][i], from + i * filter.of_input, sizeof taps[k][i]);
    else if (filter.of_input == 1 && ins == kChunk && outs == kChunk)
      for (int o = 0; o < kChunk; o += 4)
        for (int i = 0; i < kChunk; i += 4) turn4(from + o * filter.of_output + i, filter.of_output, &taps[k][i][o], kChunk);
    else
      for (int i = 0; i < ins; ++i)
        for (int o = 0; o < outs; ++o) taps[k][i][o] = from[i * filter.of_input + o * filter.of_output];
  }
}

// to[36][filter_rows(inputs)][kChunk] of the outputs from `output` on.
void transform_weights(const Filter& filter, int64_t output, float* to) {
  alignas(64) Taps taps;
  const int64_t product = filter_rows(filter.inputs) * kChunk;
  for (int64_t input = 0; input < filter.inputs; input += kChunk) {
    gather_taps(filter, input, output, taps);
    for (int64_t i = 0; i < kChunk && input + i < filter.inputs; ++i)
      for (int v = 0; v < kVectors; ++v) {
        Vec from[3][3], turned[6][6];
#pragma GCC unroll 9
        for (int k = 0; k < 9; ++k) from[k / 3][k % 3] = load(&taps[k][i][v * kLanes]);
        both_axes<3, 6>(from, turned, along_weight);
        float* place = to + (input + i) * kChunk + v * kLanes;
#pragma GCC unroll 36
        for (int k = 0; k < 36; ++k) store(place + k * product, turned[k / 6][k % 6]);
      }
  }
}

// products[36], each [kChunk outputs][kChunk inputs] and `stride` from the next, into the weights' gradient.
void weight_gradient(const Filter& filter, const float* products, int64_t stride, int64_t output, int64_t input,
                     float* gradient) {
  const int64_t left_in = filter.inputs - input;
  for (int64_t o = 0; o < kChunk && output + o < filter.outputs; ++o)
    for (int v = 0; v < kVectors && v * kLanes < left_in; ++v) {
      Vec from[6][6], turned[3][3];
#pragma GCC unroll 36
      for (int k = 0; k < 36; ++k) from[k / 6][k % 6] = load(products + k * stride + o * kChunk + v * kLanes);
      both_axes<6, 3>(from, turned, along_weight_gradient);
      const int64_t live = left_in - v * kLanes < kLanes ? left_in - v * kLanes : kLanes;
      for (int k = 0; k < 9; ++k) {
        float* place = gradient + (output + o) * filter.of_output + (input + v * kLanes) * filter.of_input +
                       k / 3 * filter.of_row + k % 3 * filter.of_column;
        const Vec value = turned[k / 3][k % 3];
        if (filter.of_input == 1)
          std::memcpy(place, &value, sizeof(float) * static_cast<size_t>(live));
        else
          for (int64_t i = 0; i < live; ++i) place[i * filter.of_input] = value[i];
      }
    }
}

}  // namespace
