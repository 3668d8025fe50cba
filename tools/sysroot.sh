#!/bin/sh
# sysroot.sh DEBIAN-ARCH DIR - unpacks the libraries that a build links with, and what they need,
# for another machine into DIR, for cross builds.
#
# Neither root nor a foreign architecture on this system is needed: apt-get works on package lists
# of its own below DIR, and the packages are unpacked, not installed.
set -eu

arch=$1
mkdir -p "$2/apt/lists/partial" "$2/apt/archives/partial"
dir=$(cd "$2" && pwd)

apt()
{
    apt-get -qq -o APT::Architecture="$arch" -o APT::Architectures::="$arch" \
        -o APT::Sandbox::User="$(id -un)" -o Dir::State::status=/dev/null \
        -o Dir::State::Lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" "$@"
}

echo "  GET  libraries for $arch"
apt update
(cd "$dir/apt" && apt download libuv1 libuv1-dev libffi-dev libelf1 libelf-dev \
    libdw1 libdw-dev libjansson4 libjansson-dev zlib1g liblzma5 libbz2-1.0)
for package in "$dir"/apt/*.deb; do
    dpkg-deb -x "$package" "$dir"
done
rm -rf "$dir/apt"
touch "$dir/complete"
