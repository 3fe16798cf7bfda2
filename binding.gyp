{
  "targets": [
    {
      "target_name": "qavit",
      # One list of sources for both build systems; CMakeLists.txt reads the same file.
      "sources": ["<!@(node -p \"require('fs').readFileSync('native/sources.txt', 'utf8').split('\\n').filter((line) => line.startsWith('native/')).join(' ')\")"],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "dependencies": ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except_all"],
      "defines": [
        "NAPI_VERSION=9",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "QAVIT_VERSION=\"<!(node -p \"require('./package.json').version\")\""
      ],
      # -Wno-restrict: GCC 12 sees overlapping copies in "literal" + std::string (GCC bug 105651); Clang does not know the name.
      "cflags_cc": ["-std=c++20", "-O3", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-Wall", "-Wextra", "-Wno-unknown-warning-option", "-Wno-restrict"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "xcode_settings": { "CLANG_CXX_LANGUAGE_STANDARD": "c++20", "GCC_SYMBOLS_PRIVATE_EXTERN": "YES" },
      "msvs_settings": { "VCCLCompilerTool": { "AdditionalOptions": ["/std:c++20"] } },
      "conditions": [["OS=='linux'", { "ldflags": ["-Wl,-z,nodelete", "-Wl,--exclude-libs,ALL", "-pthread"] }]]
    }
  ]
}
