// SPDX-License-Identifier: Apache-2.0
//
// TrainRun: fork, exec, files for the two streams.
#include "TrainRun.h"

#include "weft_runtime/Safetensors.h"

#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/wait.h>

using namespace weft;
using namespace weft::test;
namespace fs = std::filesystem;

std::string weft::test::readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

static std::string freshFile() {
  std::string name = fs::temp_directory_path() / "weft-train-XXXXXX";
  close(mkstemp(name.data()));
  return name;
}

TrainRun::TrainRun(const std::string &program, const Strings &arguments,
                   const Strings &environment, const std::string &executable)
    : outputPath(freshFile()), errorPath(freshFile()) {
  Strings words = Strings{executable} + arguments;
  // Of two entries the first counts.
  Strings variables =
      environment + Strings{"WEFT_PROGRAM=" PROGRAM_DIR "/" + program + ".so"};
  auto pointers = [](Strings &strings) {
    std::vector<char *> result;
    for (std::string &text : strings)
      result.push_back(text.data());
    result.push_back(nullptr);
    return result;
  };
  std::vector<char *> argv = pointers(words), envp = pointers(variables);
  process = fork();
  if (process != 0)
    return;
  dup2(open(outputPath.c_str(), O_WRONLY), STDOUT_FILENO);
  dup2(open(errorPath.c_str(), O_WRONLY), STDERR_FILENO);
  execve(argv[0], argv.data(), envp.data());
  _exit(127);
}

TrainRun::~TrainRun() {
  if (process > 0) {
    kill(process, SIGKILL);
    wait();
  }
  fs::remove(outputPath);
  fs::remove(errorPath);
}

int TrainRun::wait() {
  int status = 0;
  waitpid(process, &status, 0);
  process = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Polls `holds` for 20 s.
template <typename Condition> static bool eventually(Condition holds) {
  for (int i = 0; i < 2000; ++i) {
    if (holds())
      return true;
    usleep(10000);
  }
  return false;
}

bool TrainRun::awaitOutput(const std::string &text) const {
  return eventually([&] { return output().find(text) != std::string::npos; });
}

std::vector<pid_t> TrainRun::children(size_t number) const {
  std::vector<pid_t> result;
  std::string id = std::to_string(process);
  eventually([&] {
    result.clear();
    std::istringstream list(
        readFile("/proc/" + id + "/task/" + id + "/children"));
    for (pid_t child; list >> child;)
      if (readFile("/proc/" + std::to_string(child) + "/maps")
              .find(PROGRAM_DIR) != std::string::npos)
        result.push_back(child);
    return result.size() == number;
  });
  return result;
}

void TrainFolder::write(const std::string &name,
                        const std::string &bytes) const {
  std::ofstream(path(name), std::ios::binary) << bytes;
}

void TrainFolder::SetUp() {
  std::string name = fs::temp_directory_path() / "weft-folder-XXXXXX";
  folder = mkdtemp(name.data());
  float w[6] = {0, .125, .25, .375, .5, .625}, b = 0.25, frozen = 3;
  SafetensorsWriter weights(path("weights.safetensors"),
                            {{"w", DType::F32, {6}},
                             {"b", DType::F32, {1}},
                             {"frozen", DType::F32, {1}}});
  weights.append(w, sizeof(w));
  weights.append(&b, sizeof(b));
  weights.append(&frozen, sizeof(frozen));
  weights.commit();

  SafetensorsWriter data(path("data.safetensors"),
                         {{"x", DType::F32, {20, 6}}});
  for (int i = 0; i < 20; ++i)
    for (int j = 0; j < 6; ++j) {
      auto value = static_cast<float>(dataValue(i, j));
      data.append(&value, sizeof(value));
    }
  data.commit();
}
