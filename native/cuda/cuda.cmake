# The CUDA backend (docs/cuda.md): adds it to the addon where QAVIT_CUDA says so, and builds the addon with its emulation.

# native/cuda/sources.txt in three lists: ..._SOURCES, ..._SM90_SOURCES, ..._EMULATION_SOURCES.
set(list_name QAVIT_CUDA_SOURCES)
file(STRINGS native/cuda/sources.txt lines)
foreach(line IN LISTS lines)
  if(line STREQUAL "# sm_90a only")
    set(list_name QAVIT_CUDA_SM90_SOURCES)
  elseif(line STREQUAL "# emulation only")
    set(list_name QAVIT_CUDA_EMULATION_SOURCES)
  elseif(line MATCHES "^native/")
    list(APPEND ${list_name} ${line})
  endif()
endforeach()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS native/cuda/sources.txt)

# For tests without a GPU: the kernels as plain C++, in the addon once more and in test programs. Built on request only (npm run
# build:emulated), into a folder of its own, and never shipped.
set(QAVIT_EMULATED ${CMAKE_BINARY_DIR}/emulated)
# Pragmas are nvcc's; and GCC cannot follow registers filled in one unrolled loop and read in the next.
set(QAVIT_EMULATED_OPTIONS $<$<CXX_COMPILER_ID:GNU>:-Wno-unknown-pragmas -Wno-maybe-uninitialized>)

add_library(qavit_emulation OBJECT EXCLUDE_FROM_ALL)
foreach(source IN LISTS QAVIT_CUDA_SOURCES QAVIT_CUDA_EMULATION_SOURCES)
  if(source MATCHES "\\.cu$")
    # Through a file of its own: a source has one language in all targets, and nvcc may compile this one too.
    file(GENERATE OUTPUT ${QAVIT_EMULATED}/${source}.cpp CONTENT "#include \"${CMAKE_SOURCE_DIR}/${source}\"\n")
    set(source ${QAVIT_EMULATED}/${source}.cpp)
  endif()
  target_sources(qavit_emulation PRIVATE ${source})
endforeach()
target_link_libraries(qavit_emulation PRIVATE qavit_settings)
target_compile_definitions(qavit_emulation PUBLIC QAVIT_CUDA QAVIT_CUDA_EMULATION)
target_compile_options(qavit_emulation PUBLIC ${QAVIT_EMULATED_OPTIONS})

add_custom_target(emulated)
function(qavit_put_beside_emulation target)
  set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
  foreach(kind LIBRARY RUNTIME)
    set_target_properties(${target} PROPERTIES
      ${kind}_OUTPUT_DIRECTORY ${QAVIT_EMULATED} ${kind}_OUTPUT_DIRECTORY_RELEASE ${QAVIT_EMULATED})
  endforeach()
  add_dependencies(emulated ${target})
endfunction()

qavit_addon(qavit_emulated)
target_link_libraries(qavit_emulated PRIVATE qavit_emulation)
qavit_put_beside_emulation(qavit_emulated)

# test/cuda/<name>/*.cpp: a program that test/cuda/programs.test.ts runs.
function(qavit_kernel_test name)
  file(GLOB sources CONFIGURE_DEPENDS test/cuda/${name}/*.cpp)
  add_executable(test_cuda_${name} ${sources} ${ARGN} $<TARGET_OBJECTS:qavit_core>)
  set_target_properties(test_cuda_${name} PROPERTIES OUTPUT_NAME ${name}_test)
  target_link_libraries(test_cuda_${name} PRIVATE qavit_settings qavit_emulation Threads::Threads)
  qavit_put_beside_emulation(test_cuda_${name})
endfunction()

# test/cuda/hopper: the sm_90a kernels on a model of Hopper's instructions. Its headers stand before native's, so it shares no object
# with the emulation.
function(qavit_hopper_test)
  file(GLOB sources CONFIGURE_DEPENDS test/cuda/hopper/*.cpp)
  foreach(kernel concat_attention/concat_attention_sm90 linear/linear_sm90)
    file(GENERATE OUTPUT ${QAVIT_EMULATED}/native/cuda/${kernel}.cu.cpp
      CONTENT "#include \"${CMAKE_SOURCE_DIR}/native/cuda/${kernel}.cu\"\n")
  endforeach()
  foreach(kernel concat_attention/concat_attention_sm90 linear/linear_sm90 linear/linear linear/gemm)
    list(APPEND sources ${QAVIT_EMULATED}/native/cuda/${kernel}.cu.cpp)
  endforeach()
  add_executable(test_cuda_hopper ${sources} test/cuda/linear/operands.cpp test/cuda/linear/product.cpp
    native/cuda/concat_attention/attention.cpp native/cuda/device/sm90/tensor_layout.cpp native/cuda/emulation/fiber.cpp
    native/cuda/linear/gemm_plan.cpp $<TARGET_OBJECTS:qavit_core>)
  set_target_properties(test_cuda_hopper PROPERTIES OUTPUT_NAME hopper_test)
  target_include_directories(test_cuda_hopper BEFORE PRIVATE test/cuda/hopper/headers test/cuda/hopper)
  target_compile_definitions(test_cuda_hopper PRIVATE QAVIT_CUDA_EMULATION)
  target_compile_options(test_cuda_hopper PRIVATE ${QAVIT_EMULATED_OPTIONS} $<$<CXX_COMPILER_ID:GNU>:-Wno-psabi>)
  target_link_libraries(test_cuda_hopper PRIVATE qavit_settings Threads::Threads)
  qavit_put_beside_emulation(test_cuda_hopper)
endfunction()
if(EXISTS ${CMAKE_SOURCE_DIR}/test/cuda)  # not part of the npm package
  qavit_kernel_test(emulation)
  qavit_kernel_test(host)
  qavit_kernel_test(rows)
  qavit_kernel_test(linear)
  qavit_kernel_test(concat_attention)
  qavit_kernel_test(patch_embed test/cuda/linear/operands.cpp)
  qavit_kernel_test(sm90 test/cuda/linear/operands.cpp native/cuda/device/sm90/tensor_layout.cpp native/cuda/linear/linear_sm90_plan.cpp)
  qavit_hopper_test()
endif()

# nvcc as check_language() finds it; the toolkit's own place counts too. Sets CMAKE_CUDA_COMPILER, empty where there is none that works.
macro(qavit_find_nvcc)
  if(NOT DEFINED ENV{CUDACXX})
    find_program(QAVIT_NVCC nvcc HINTS ENV CUDA_PATH ENV CUDA_HOME PATHS /usr/local/cuda /opt/cuda PATH_SUFFIXES bin)
    if(QAVIT_NVCC)
      set(ENV{CUDACXX} ${QAVIT_NVCC})
    endif()
  endif()
  include(CheckLanguage)
  check_language(CUDA)
endmacro()

# A driver is what the AUTO build looks for: without one the kernels would cost minutes of compiling and never run.
function(qavit_find_driver result)
  find_program(QAVIT_NVIDIA_SMI nvidia-smi)
  set(${result} FALSE PARENT_SCOPE)
  foreach(trace /proc/driver/nvidia/version /dev/nvidiactl /usr/lib/wsl/lib/libcuda.so.1 $ENV{SystemRoot}/System32/nvcuda.dll ${QAVIT_NVIDIA_SMI})
    if(EXISTS ${trace})
      set(${result} TRUE PARENT_SCOPE)
    endif()
  endforeach()
endfunction()

function(qavit_kernel_options target)
  target_include_directories(${target} PRIVATE native)
  target_include_directories(${target} SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
  set_target_properties(${target} PROPERTIES
    CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_EXTENSIONS OFF CUDA_RUNTIME_LIBRARY Static CUDA_VISIBILITY_PRESET hidden)
  # A register spilled to memory is a kernel that was not thought through: an error. So is everything else that ptxas warns of, such
  # as wgmma instructions that it had to serialize. Uncompressed, since scripts/check-cubins.js reads what was built.
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=--warn-on-spills,-Werror --Werror=all-warnings --compress-mode=none>)
  if(QAVIT_WARNINGS)
    string(REPLACE ";" "," host_warnings "${QAVIT_WARNINGS}")
    target_compile_options(${target} PRIVATE
      $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${host_warnings}> $<$<COMPILE_LANGUAGE:CXX>:${QAVIT_WARNINGS}>)
  endif()
endfunction()

macro(qavit_add_cuda)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    # Every supported generation natively; 80 and 120 as PTX too, for those between and after.
    set(CMAKE_CUDA_ARCHITECTURES 80 86-real 89-real 90-real 100-real 120)
  endif()
  enable_language(CUDA)
  if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # CMake learned only lately that nvcc has it
  endif()
  find_package(CUDAToolkit REQUIRED)

  add_library(qavit_cuda OBJECT ${QAVIT_CUDA_SOURCES})
  qavit_kernel_options(qavit_cuda)
  target_sources(qavit PRIVATE $<TARGET_OBJECTS:qavit_cuda>)
  if(QAVIT_CUDA_SM90_SOURCES)
    # wgmma and its kin exist on sm_90a alone, which has no PTX that newer GPUs take.
    add_library(qavit_cuda_sm90 OBJECT ${QAVIT_CUDA_SM90_SOURCES})
    qavit_kernel_options(qavit_cuda_sm90)
    set_target_properties(qavit_cuda_sm90 PROPERTIES CUDA_ARCHITECTURES 90a-real)
    target_sources(qavit PRIVATE $<TARGET_OBJECTS:qavit_cuda_sm90>)
  endif()
  target_compile_definitions(qavit PRIVATE QAVIT_CUDA)
  # The runtime inside the addon: it loads on machines without the toolkit, and without a driver too.
  target_link_libraries(qavit PRIVATE CUDA::cudart_static)
endmacro()

if(QAVIT_CUDA STREQUAL "ON")
  qavit_find_nvcc()
  if(NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "Expected a working nvcc for QAVIT_CUDA=ON but received none; put it on PATH or name it in CUDACXX")
  endif()
  qavit_add_cuda()
elseif(QAVIT_CUDA STREQUAL "AUTO")
  qavit_find_driver(QAVIT_DRIVER)
  if(QAVIT_DRIVER)
    qavit_find_nvcc()
    if(CMAKE_CUDA_COMPILER)
      qavit_add_cuda()
    else()
      message(STATUS "qavit: an NVIDIA driver but no working nvcc: built for the CPU only")
    endif()
  endif()
elseif(NOT QAVIT_CUDA STREQUAL "OFF")
  message(FATAL_ERROR "Expected AUTO, ON or OFF for QAVIT_CUDA but received ${QAVIT_CUDA}")
endif()
