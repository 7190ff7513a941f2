// The products of Winograd's convolution: 36 small matrix products, tiles or channels in the rows of a register block,
// a chunk of channels in its columns.

namespace {

#if defined(__AVX512F__)
constexpr int kProductRows = 12;  // sums in registers: 12 of one vector
#elif defined(__AVX2__) || defined(__ARM_NEON)
constexpr int kProductRows = 6;  // 12 of AVX2's 16 registers, 24 of NEON's 32
#else
constexpr int kProductRows = 2;  // 8 of SSE's 16 registers
#endif
constexpr int64_t kDepth = 128;  // channels summed at once: their weights stay in the first cache

// sum[r][:] += a(r) * b[:]; the a(r) lie side by side if Transposed, else a chunk apart.
template <int R, int C, bool Transposed>
DREAMLAB_INLINE void add_product(const float* a, const float* b, Vec (&sum)[R][C]) {
  Vec row[C];
#pragma GCC unroll 4
  for (int v = 0; v < C; ++v) row[v] = load(b + v * kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const Vec s = splat(a[Transposed ? r : r * kChunk]);
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) sum[r][v] = fma(s, row[v], sum[r][v]);
  }
}

template <int R, int C>
DREAMLAB_INLINE void begin_sums(const float* c, int64_t stride, bool add, Vec (&sum)[R][C]) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) sum[r][v] = add ? load(c + r * stride + v * kLanes) : Vec{};
}

template <int R, int C>
DREAMLAB_INLINE void end_sums(const Vec (&sum)[R][C], float* c, int64_t stride) {
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) store(c + r * stride + v * kLanes, sum[r][v]);
}

template <int N>
struct Fixed {
  static constexpr int value = N;
};

// body(Fixed<n>) for n in 1..N.
template <int N, class Body>
DREAMLAB_INLINE void fix(int n, const Body& body) {
  if constexpr (N > 1) {
    if (n < N) return fix<N - 1>(n, body);
  }
  body(Fixed<N>{});
}

// Rows 0..n-1 in groups of about the same size, none larger than a register block.
template <class Body>
DREAMLAB_INLINE void in_groups(int n, const Body& body) {
  const int groups = (n + kProductRows - 1) / kProductRows;
  for (int g = 0, row = 0; g < groups; ++g) {
    const int size = n / groups + (g < n % groups);
    fix<kProductRows>(size, [&](auto fixed) { body(fixed, row); });
    row += size;
  }
}

// Half a chunk's columns are enough where no more channels are left.
template <class Body>
DREAMLAB_INLINE void with_columns(int64_t live, const Body& body) {
  if constexpr (kVectors > 1) {
    if (live <= kChunk / 2) return body(Fixed<kVectors / 2>{});
  }
  body(Fixed<kVectors>{});
}

// Weights of the next product, asked for a little at a time: where they come from is far.
struct Coming {
  const float* next;
  const float* end;

  DREAMLAB_INLINE void ask(int lines) {
    for (int i = 0; i < lines && next < end; ++i, next += kChunk) __builtin_prefetch(next, 0, 3);
  }
};

// n tiles' rows of one of the 36 products: [n][depth] [depth][kChunk]. Results lie a tile apart.
template <int C>
void tile_products(const float* tiles, int64_t chunk, int n, const float* weights, int64_t depth, bool add, float* out,
                   Coming coming) {
  in_groups(n, [&](auto fixed, int row) {
    constexpr int R = decltype(fixed)::value;
    Vec sum[R][C];
    float* c = out + row * kTileFloatsOut;
    begin_sums(c, kTileFloatsOut, add, sum);
    const float* a = tiles + row * kChunk;
    const float* b = weights;
    for (int64_t whole = depth / kChunk; whole > 0; --whole, a += chunk, b += kChunk * kChunk) {
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) __builtin_prefetch(a + (R + r) * kChunk);
      coming.ask(2);
#pragma GCC unroll 16
      for (int k = 0; k < kChunk; ++k) add_product<R, C, false>(a + k, b + k * kChunk, sum);
    }
    for (int64_t k = 0; k < depth % kChunk; ++k) add_product<R, C, false>(a + k, b + k * kChunk, sum);
    end_sums(sum, c, kTileFloatsOut);
  });
}

// Tiles begin..end-1 of the panels, `chunks` chunks of the outputs from chunk `first` on. weights: of these chunks, as
// transform_weights leaves them; work: chunks * kTilesAtOnce * kTileFloatsOut floats.
void convolve_tiles(const Panels& tiles, int64_t begin, int64_t end, int64_t inputs, const float* weights,
                    int64_t first, int64_t chunks, const float* bias, const Maps& maps, float* out, float* work) {
  const int64_t product = filter_rows(inputs) * kChunk;
  const int64_t depths = (inputs + kDepth - 1) / kDepth, panels = kProducts * depths * chunks;
  const auto panel = [&](int64_t i) {  // of weights, in the order of their use
    return weights + (i % chunks * kProducts + i / (chunks * depths)) * product + i / chunks % depths * kDepth * kChunk;
  };
  for (int64_t at = begin; at < end; at += kTilesAtOnce) {
    const int n = static_cast<int>(end - at < kTilesAtOnce ? end - at : kTilesAtOnce);
    for (int64_t i = 0; i < panels; ++i) {
      const int which = static_cast<int>(i / (chunks * depths));
      const int64_t g = i % chunks, from = i / chunks % depths * kDepth;
      const int64_t depth = inputs - from < kDepth ? inputs - from : kDepth;
      const float* next = panel((i + 1) % panels);
      with_columns(maps.channels - (first + g) * kChunk, [&](auto columns) {
        tile_products<decltype(columns)::value>(tiles.at(which, from / kChunk) + at * kChunk, tiles.chunk, n, panel(i),
                                                depth, from > 0,
                                                work + g * kTilesAtOnce * kTileFloatsOut + which * kChunk,
                                                Coming{next, next + depth * kChunk});
      });
    }
    for (int64_t g = 0; g < chunks; ++g) {
      const int64_t channel = (first + g) * kChunk, live = maps.channels - channel;
      Vec shift[kVectors] = {};
      if (bias)
        std::memcpy(shift, bias + channel, sizeof(float) * static_cast<size_t>(live < kChunk ? live : kChunk));
      for (int t = 0; t < n; ++t)
        output_tile(work + (g * kTilesAtOnce + t) * kTileFloatsOut, shift, maps, out, tiles.first + at + t, channel);
    }
  }
}

// One of the 36 products of the weights' gradient, [outputs][inputs] in blocks of a chunk by a chunk, summed over n
// tiles; added to what is there, or not.
void weight_products(const Panels& gradients, const Panels& tiles, int which, int64_t n, int64_t outputs,
                     int64_t inputs, bool add, float* out) {
  for (int64_t o = 0; o < outputs; o += kChunk)
    for (int64_t i = 0; i < inputs; i += kChunk, out += kChunk * kChunk) {
      const float* a = gradients.at(which, o / kChunk);
      const float* b = tiles.at(which, i / kChunk);
      const int rows = static_cast<int>(outputs - o < kChunk ? outputs - o : kChunk);
      with_columns(inputs - i, [&](auto columns) {
        in_groups(rows, [&](auto fixed, int row) {
          constexpr int R = decltype(fixed)::value, C = decltype(columns)::value;
          Vec sum[R][C];
          begin_sums(out + row * kChunk, kChunk, add, sum);
#pragma GCC unroll 4
          for (int64_t t = 0; t < n; ++t) add_product<R, C, true>(a + row + t * kChunk, b + t * kChunk, sum);
          end_sums(sum, out + row * kChunk, kChunk);
        });
      });
    }
}

// The gradient of the bias: the product of point 1 along both axes is the sum of a tile's pixels.
void bias_gradient(const Panels& gradients, int64_t n, int64_t outputs, bool add, float* out) {
  for (int64_t o = 0; o < outputs; o += kChunk) {
    const float* from = gradients.at(7, o / kChunk);
    Vec sum[kVectors] = {};
    for (int64_t t = 0; t < n; ++t)
      for (int v = 0; v < kVectors; ++v) sum[v] += load(from + t * kChunk + v * kLanes);
    for (int64_t i = 0; i < kChunk && o + i < outputs; ++i) {
      const float total = sum[i / kLanes][i % kLanes];
      out[o + i] = add ? out[o + i] + total : total;
    }
  }
}

}  // namespace
