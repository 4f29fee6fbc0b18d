// SPDX-License-Identifier: Apache-2.0
//
// TrainRun: one start of the `train` executable and what it says; TrainFolder:
// a folder with weights and data for the handmade programs.
#ifndef WEFT_RUNTIME_TEST_TRAINRUN_H
#define WEFT_RUNTIME_TEST_TRAINRUN_H

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

namespace weft::test {

using Strings = std::vector<std::string>;
inline Strings operator+(Strings a, const Strings &b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::string readFile(const std::string &path);

class TrainRun {
public:
  /// Starts `train` on PROGRAM_DIR/<program>.so with no launcher variables but
  /// the given NAME=value entries. `executable` may be a copy elsewhere.
  TrainRun(const std::string &program, const Strings &arguments,
           const Strings &environment = {},
           const std::string &executable = TRAIN_PATH);
  ~TrainRun();
  /// The exit code, or -signal.
  int wait();
  void signal(int number) { kill(process, number); }
  std::string output() const { return readFile(outputPath); }
  std::string errors() const { return readFile(errorPath); }
  /// Waits for that text in the output; false after 20 s.
  bool awaitOutput(const std::string &text) const;
  /// The ranks it has spawned, by rank, once there are `number` of them and
  /// each has loaded its program.
  std::vector<pid_t> children(size_t number) const;

private:
  pid_t process = -1;
  std::string outputPath;
  std::string errorPath;
};

/// x[i][j] of the test data, a multiple of 1/4.
inline double dataValue(int i, int j) {
  return ((i * 7 + j * 3) % 17 - 8) / 4.0;
}

class TrainFolder : public testing::Test {
public:
  std::string path(const std::string &name) const {
    return (folder / name).string();
  }
  std::string read(const std::string &name) const {
    return readFile(path(name));
  }
  void write(const std::string &name, const std::string &bytes) const;
  void clear(const std::string &name) const {
    std::filesystem::remove_all(folder / name);
  }

protected:
  void SetUp() override;
  void TearDown() override { std::filesystem::remove_all(folder); }

private:
  std::filesystem::path folder;
};

} // namespace weft::test

#endif // WEFT_RUNTIME_TEST_TRAINRUN_H
