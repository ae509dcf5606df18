# The smallest data set that RaPP trains on, all but latency.csv: two files into the folder data, which exists.
# For the scripts beside it, which read it with a dot.
rapp_sample() {
    cat >data/graphs.csv <<'END'
model,gmac,conv2d_count,dense_count,relu_count,lat_ms_b4_sm100_q20,lat_ms_b4_sm100_q40,lat_ms_b4_sm100_q60,lat_ms_b4_sm100_q80,lat_ms_b4_sm100_q100
resnet50,4.1,53,1,49,78,36,24,22,22
END
    cat >data/operators.csv <<'END'
model,node,op,kernel_h,kernel_w,channels,stride_h,stride_w,pad_top,pad_left,pad_bottom,pad_right,dilation_h,dilation_w,groups,shape0,shape1,shape2,shape3,t_ms_sm5,t_ms_sm10,t_ms_sm30,t_ms_sm60,t_ms_sm80,t_ms_sm100
resnet50,0,conv2d,7,7,64,2,2,3,3,3,3,1,1,1,64,3,7,7,20,10,4,3,2.5,2
END
}
