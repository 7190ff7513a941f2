// C interface of the 3x3 convolution: cuts the work so that what is written is still in cache when it is read. Every cut
// depends on the shapes alone, so any number of threads gives the same bytes.

#include <cstdlib>
#include <cstring>
#include <memory>

#include "kernels.h"
#include "parallel.h"

namespace {

constexpr int64_t kWeightFloats = 2 << 20;    // weights transformed beforehand, once, up to this size: 8 MB
constexpr int64_t kPanelFloats = 2 << 20;     // tiles transformed at once where weights are larger
constexpr int64_t kLeastTiles = 128;          // but so many at least, or transforming weights again would cost too much
constexpr int64_t kGradientFloats = 1 << 20;  // tiles of both sides at once, for the gradient of weights
constexpr int64_t kTogether = 2;              // chunks of outputs that read a tile's panels one after the other
constexpr int64_t kTilesATask = 16;           // at least, or so many exactly that are transformed only
constexpr int64_t kBlock = 4;                 // chunks along each side of a block of large weights' gradient
constexpr int64_t kBlockFloats = kProducts * kBlock * kBlock * kChunk * kChunk;

int64_t chunks(int64_t channels) { return (channels + kChunk - 1) / kChunk; }
int64_t odd_lines(int64_t lines) { return (lines | 1) * kChunk; }
int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }

Maps maps_of(const float* data, int64_t height, int64_t width, int64_t channels) {
  const int64_t side = kTileSide;
  return {data, height, width, channels, (height + side - 1) / side, (width + side - 1) / side};
}

int64_t tiles_of(int64_t images, const Maps& maps) { return images * maps.tiles_y * maps.tiles_x; }

int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

// The shape of n equal parts no larger than `most`.
int64_t part(int64_t n, int64_t most) { return n ? parts(n, parts(n, at_least(most, 1))) : 1; }

// Small weights are transformed beforehand, and each task takes its tiles from the image to the output. Large ones would
// come from memory for every task: there all tiles are transformed beforehand, and a task has weights of its own.
struct Forward {
  int64_t tiles, at_once, panel, chunk_floats, weights;
  bool small;

  Forward(int64_t tiles, int64_t inputs, int64_t outputs) : tiles(tiles) {
    chunk_floats = kProducts * filter_rows(inputs) * kChunk;
    weights = chunks(outputs) * chunk_floats;
    small = weights <= kWeightFloats;
    const int64_t most = at_least(kPanelFloats / (kProducts * kChunk * chunks(inputs)), kLeastTiles);
    // Enough tasks for several threads, if there are tiles for them.
    at_once = part(tiles, small ? at_most(at_least(tiles / 8, kTilesATask), kTilesAtOnce) : most);
    panel = odd_lines(chunks(inputs) * at_once);
  }
  int64_t floats(int64_t inputs) const {
    return (small ? weights : kProducts * panel) + chunks(inputs) * kChunk;
  }
};

// Small weights' gradients are cut by their 36 products, large ones' by channels, so that they stay in cache.
struct Backward {
  int64_t tiles, at_once, input_panel, output_panel, product, blocks_in, blocks_out, products;
  bool small;

  Backward(int64_t tiles, int64_t inputs, int64_t outputs) : tiles(tiles) {
    const int64_t both = chunks(inputs) + chunks(outputs);
    product = chunks(inputs) * chunks(outputs) * kChunk * kChunk + kChunk;  // an odd number of lines
    small = kProducts * product <= kWeightFloats;
    blocks_in = parts(chunks(inputs), kBlock);
    blocks_out = parts(chunks(outputs), kBlock);
    at_once = part(tiles, at_least(kGradientFloats, kProducts * product * 3 / 2) / (kProducts * kChunk * both));
    input_panel = odd_lines(chunks(inputs) * at_once);
    output_panel = odd_lines(chunks(outputs) * at_once);
    products = small ? kProducts * product : at_once < tiles ? blocks_in * blocks_out * kBlockFloats : 0;
  }
  int64_t floats(int64_t inputs, int64_t outputs) const {
    return kProducts * (input_panel + output_panel) + products + at_least(chunks(inputs), chunks(outputs)) * kChunk;
  }
};

struct Free {
  void operator()(float* p) const { std::free(p); }
};

// A thread's own space, kept: fresh pages would cost more than the arithmetic on them.
float* own_space(int64_t floats) {
  thread_local std::unique_ptr<float, Free> buffer;
  thread_local int64_t size = 0;
  if (size < floats) {
    void* p = nullptr;
    buffer.reset();
    size = posix_memalign(&p, 64, sizeof(float) * static_cast<size_t>(floats)) == 0 ? floats : 0;
    if (!size) std::abort();  // out of memory, within a thread that cannot tell
    buffer.reset(static_cast<float*>(p));
  }
  return buffer.get();
}

template <class Body>
void over_tiles(int64_t begin, int64_t end, int threads, const Body& body) {
  parallel_for(parts(end - begin, kTilesATask), threads, [&](int64_t task, int) {
    const int64_t from = begin + task * kTilesATask;
    body(from, at_most(from + kTilesATask, end));
  });
}

struct Convolution {
  const Filter& filter;
  const Maps& from;
  const Maps& to;
  const Forward& plan;
  const float* bias;
  float* out;
  float* space;
  float* zeros;
  int threads;

  int64_t inputs() const { return filter.inputs; }
  int64_t groups() const { return parts(chunks(filter.outputs), kTogether); }
  int64_t together(int64_t first) const { return at_most(kTogether, chunks(filter.outputs) - first); }

  void small_weights() const {
    const int64_t work = kTogether * kTilesAtOnce * kTileFloatsOut;
    parallel_for(chunks(filter.outputs), threads, [&](int64_t o, int) {
      kernels().transform_weights(filter, o * kChunk, space + o * plan.chunk_floats);
    });
    parallel_for(parts(plan.tiles, plan.at_once), threads, [&](int64_t task, int) {
      const int64_t begin = task * plan.at_once, end = at_most(begin + plan.at_once, plan.tiles);
      float* mine = own_space(work + kProducts * plan.panel);
      const Panels panels{mine + work, plan.panel, plan.at_once * kChunk, begin};
      kernels().input_tiles(from, begin, end, zeros, panels);
      for (int64_t o = 0; o < chunks(filter.outputs); o += kTogether)
        kernels().convolve_tiles(panels, 0, end - begin, inputs(), space + o * plan.chunk_floats, o, together(o), bias,
                                 to, out, mine);
    });
  }

  void large_weights() const {
    const int64_t work = kTogether * kTilesAtOnce * kTileFloatsOut;
    for (int64_t begin = 0; begin < plan.tiles; begin += plan.at_once) {
      const int64_t end = at_most(begin + plan.at_once, plan.tiles);
      const Panels panels{space, plan.panel, plan.at_once * kChunk, begin};
      over_tiles(begin, end, threads, [&](int64_t a, int64_t b) { kernels().input_tiles(from, a, b, zeros, panels); });
      parallel_for(groups(), threads, [&](int64_t task, int) {
        const int64_t first = task * kTogether, count = together(first);
        float* mine = own_space(work + kTogether * plan.chunk_floats);
        for (int64_t g = 0; g < count; ++g)
          kernels().transform_weights(filter, (first + g) * kChunk, mine + work + g * plan.chunk_floats);
        kernels().convolve_tiles(panels, 0, end - begin, inputs(), mine + work, first, count, bias, to, out, mine);
      });
    }
  }
};

struct WeightGradient {
  const Filter& filter;
  const Maps& x;
  const Maps& gradient;
  const Backward& plan;
  float* g_weight;
  float* g_bias;
  float* space;
  float* products;
  float* zeros;
  int threads;

  void run() const {
    for (int64_t begin = 0; begin < plan.tiles; begin += plan.at_once) {
      const int64_t end = at_most(begin + plan.at_once, plan.tiles);
      const Panels inputs{space, plan.input_panel, plan.at_once * kChunk, begin};
      const Panels outputs{space + kProducts * plan.input_panel, plan.output_panel, plan.at_once * kChunk, begin};
      over_tiles(begin, end, threads, [&](int64_t a, int64_t b) {
        kernels().input_tiles(x, a, b, zeros, inputs);
        kernels().gradient_tiles(gradient, a, b, zeros, outputs);
      });
      const int64_t tasks = plan.small ? kProducts : plan.blocks_in * plan.blocks_out;
      parallel_for(tasks + 1, threads, [&](int64_t task, int) {
        if (task == tasks)
          kernels().bias_gradient(outputs, end - begin, filter.outputs, begin > 0, g_bias);
        else if (plan.small)
          kernels().weight_products(outputs, inputs, static_cast<int>(task), end - begin, filter.outputs, filter.inputs,
                                    begin > 0, products + task * plan.product);
        else
          block(task, inputs, outputs, end - begin, begin > 0, end == plan.tiles);
      });
    }
    if (plan.small)
      parallel_for(chunks(filter.outputs), threads, [&](int64_t o, int) {
        for (int64_t i = 0; i < chunks(filter.inputs); ++i)
          kernels().weight_gradient(filter, products + (o * chunks(filter.inputs) + i) * kChunk * kChunk, plan.product,
                                    o * kChunk, i * kChunk, g_weight);
      });
  }

  void block(int64_t task, Panels inputs, Panels outputs, int64_t n, bool add, bool last) const {
    const int64_t o = task / plan.blocks_in * kBlock, i = task % plan.blocks_in * kBlock;
    const int64_t outs = at_most(kBlock * kChunk, filter.outputs - o * kChunk);
    const int64_t ins = at_most(kBlock * kChunk, filter.inputs - i * kChunk);
    const int64_t product = chunks(outs) * chunks(ins) * kChunk * kChunk;
    float* mine = plan.products ? products + task * kBlockFloats : own_space(kBlockFloats);
    inputs.data += i * inputs.chunk;
    outputs.data += o * outputs.chunk;
    for (int which = 0; which < kProducts; ++which)
      kernels().weight_products(outputs, inputs, which, n, outs, ins, add, mine + which * product);
    if (!last) return;
    for (int64_t a = 0; a < chunks(outs); ++a)
      for (int64_t b = 0; b < chunks(ins); ++b)
        kernels().weight_gradient(filter, mine + (a * chunks(ins) + b) * kChunk * kChunk, product, (o + a) * kChunk,
                                  (i + b) * kChunk, g_weight);
  }
};

}  // namespace

extern "C" {

// Floats of work space that dl_conv3x3 (or dl_conv3x3_weights) needs.
int64_t dl_conv3x3_floats(int64_t images, int64_t height, int64_t width, int64_t inputs, int64_t outputs, int weights) {
  const int64_t tiles = tiles_of(images, maps_of(nullptr, height, width, inputs));
  return weights ? Backward(tiles, inputs, outputs).floats(inputs, outputs)
                 : Forward(tiles, inputs, outputs).floats(inputs);
}

// x [images, height, width, inputs] -> out [.., outputs]; weight's strides in floats: output, input, row, column. bias
// may be null. With `turned` the weight is that of the convolution whose input's gradient this is: out is the gradient,
// x that of its output.
void dl_conv3x3(int64_t images, int64_t height, int64_t width, int64_t inputs, int64_t outputs, const float* x,
                const float* weight, const int64_t* stride, int turned, const float* bias, float* out, float* space,
                int threads) {
  Filter filter{weight, outputs, inputs, stride[0], stride[1], stride[2], stride[3]};
  if (turned)
    filter = {weight + 2 * (stride[2] + stride[3]), outputs, inputs, stride[1], stride[0], -stride[2], -stride[3]};
  const Maps from = maps_of(x, height, width, inputs), to = maps_of(nullptr, height, width, outputs);
  const Forward plan(tiles_of(images, from), inputs, outputs);
  float* zeros = space + plan.floats(inputs) - chunks(inputs) * kChunk;
  std::memset(zeros, 0, sizeof(float) * static_cast<size_t>(chunks(inputs) * kChunk));
  const Convolution job{filter, from, to, plan, bias, out, space, zeros, threads};
  plan.small ? job.small_weights() : job.large_weights();
}

// The gradients of weight (strides as above) and bias, zeroed by the caller, of x and the output's gradient.
void dl_conv3x3_weights(int64_t images, int64_t height, int64_t width, int64_t inputs, int64_t outputs, const float* x,
                        const float* gradient, float* g_weight, const int64_t* stride, float* g_bias, float* space,
                        int threads) {
  const Filter filter{nullptr, outputs, inputs, stride[0], stride[1], stride[2], stride[3]};
  const Maps from = maps_of(x, height, width, inputs), of_output = maps_of(gradient, height, width, outputs);
  const Backward plan(tiles_of(images, from), inputs, outputs);
  float* products = space + kProducts * (plan.input_panel + plan.output_panel);
  float* zeros = products + plan.products;
  std::memset(zeros, 0, sizeof(float) * static_cast<size_t>(at_least(chunks(inputs), chunks(outputs)) * kChunk));
  if (plan.tiles)
    WeightGradient{filter, from, of_output, plan, g_weight, g_bias, space, products, zeros, threads}.run();
}

}  // extern "C"
