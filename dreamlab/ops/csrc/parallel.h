// One way to use several cores: numbered tasks, handed out as threads come free. Which thread takes a task must not
// matter to the result: every kernel here gives the same bytes for any number of threads.
#pragma once

#include <cstdint>

#if defined(_OPENMP)
#include <omp.h>
#else
#include <atomic>
#include <thread>
#include <vector>
#endif

// body(task, worker) with worker in 0..threads-1.
template <class Body>
void parallel_for(int64_t tasks, int threads, const Body& body) {
  if (threads > tasks) threads = static_cast<int>(tasks);
  if (threads <= 1) {
    for (int64_t i = 0; i < tasks; ++i) body(i, 0);
    return;
  }
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t i = 0; i < tasks; ++i) body(i, omp_get_thread_num());
#else
  std::atomic<int64_t> next{0};
  auto work = [&](int worker) {
    for (int64_t i = next++; i < tasks; i = next++) body(i, worker);
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  for (auto& other : others) other.join();
#endif
}

// How many pieces n items are cut into: never a function of the number of threads.
inline int64_t pieces(int64_t n, int64_t at_least, int64_t most) {
  const int64_t count = (n + at_least - 1) / at_least;
  return count < most ? count : most;
}
