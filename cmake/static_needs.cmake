# What a program that links our archives needs besides: as pkg-config modules where there is one, and as libraries.  And the way
# from the pkgconfig folder to the prefix, so that an installed tree may be moved.
set(KCLIENT_STATIC_MODULES)
set(KCLIENT_STATIC_FLAGS -pthread)
set(KCLIENT_STATIC_LIBS -pthread ${CMAKE_DL_LIBS})
foreach(library ${CMAKE_DL_LIBS}) # test.mock.num.brokers loads libmockbroker
  string(APPEND KCLIENT_STATIC_FLAGS " -l${library}")
endforeach()
foreach(codec GZIP:zlib:z LZ4:liblz4:lz4 ZSTD:libzstd:zstd)
  string(REPLACE ":" ";" parts ${codec})
  list(GET parts 0 upper)
  list(GET parts 1 module)
  list(GET parts 2 library)
  if(KCLIENT_WITH_${upper})
    string(APPEND KCLIENT_STATIC_MODULES " ${module}")
    list(APPEND KCLIENT_STATIC_LIBS ${library})
  endif()
endforeach()
if(KCLIENT_WITH_SNAPPY) # its inside is C++
  string(APPEND KCLIENT_STATIC_FLAGS " -lsnappy -lstdc++ -lm")
  list(APPEND KCLIENT_STATIC_LIBS snappy stdc++ m)
endif()
file(RELATIVE_PATH KCLIENT_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
